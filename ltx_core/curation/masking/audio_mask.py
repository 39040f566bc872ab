"""A mask over time, and its mean over each latent step. 1 keeps, 0 is generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.geometry.grid import AudioScale
from ltx_core.geometry.units import audio_steps

Values = NDArray[np.float32]
SPAN_RATE = 1000
"""Values per second of a mask that is stated in spans; those at the edge of one are soft."""


@dataclass(frozen=True)
class AudioMask:
    """`values` `[S]` in [0, 1], `rate` of them per second; 1 keeps, 0 is generated."""

    values: Values
    rate: int


def spans_mask(spans: Sequence[tuple[float, float]], seconds: float) -> AudioMask:
    """The mask of `seconds` that generates `spans`."""
    edges = np.arange(max(1, round(seconds * SPAN_RATE)) + 1) / SPAN_RATE
    generated = np.zeros(len(edges) - 1)
    for start, end in spans:
        inside = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
        generated += np.clip(inside, 0, None) * SPAN_RATE
    return AudioMask((1 - np.clip(generated, 0, 1)).astype(np.float32), SPAN_RATE)


def inverted(mask: AudioMask) -> AudioMask:
    """A mask that generates what this one keeps."""
    return AudioMask((1 - mask.values).astype(np.float32), mask.rate)


def latent_audio_mask(
    mask: AudioMask, seconds: float, scale: AudioScale, threshold: float | None = None
) -> Values:
    """The mean of a mask over the time of each latent step of `seconds` of sound: `[T]` float32.

    Step 0 is the first mel frame by itself, then `scale.factor` frames each (the causal rule).

    Args:
        mask: values over time.
        seconds: of the sound.
        scale: of the model.
        threshold: None keeps the mean; else 1 where the mean is at least this, 0 elsewhere.
    """
    ends = (scale.factor * np.arange(audio_steps(seconds, scale)) + 1) * (scale.hop / scale.sample_rate)
    starts = np.concatenate([[0.0], ends[:-1]])
    total = np.concatenate([[0.0], np.cumsum(mask.values, dtype=np.float64)])
    last = len(mask.values) / mask.rate
    span = np.minimum(np.stack([starts, ends]), last) * mask.rate
    before, after = np.interp(span, np.arange(len(total)), total)
    length = span[1] - span[0]
    tail = float(mask.values[-1])
    mean = np.where(length > 1e-6, (after - before) / np.maximum(length, 1e-6), tail)
    mean = np.clip(mean, 0, 1)
    # Whole steps are exactly 0 or 1: what is held so bears no loss, and what is generated so bears it whole.
    mean = np.where(np.abs(mean - np.round(mean)) < 1e-6, np.round(mean), mean)
    return np.asarray(mean if threshold is None else mean >= threshold, np.float32)


def mask_picture(mask: AudioMask, width: int = 512, height: int = 64) -> NDArray[np.uint8]:
    """A mask to look at, uint8 `[height, width, 3]`: time to the right, white is kept, black is generated."""
    columns = (np.arange(width) + 0.5) / width * len(mask.values)
    grey = np.round(mask.values[columns.astype(int)] * 255).astype(np.uint8)
    return np.broadcast_to(grey[None, :, None], (height, width, 3)).copy()
