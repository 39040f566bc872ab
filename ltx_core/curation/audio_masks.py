"""Masks over time: drawn from a seed or read from a file, and their mean over each latent step. 1 keeps.

A mask file is a sound whose absolute value is the mask (1 keeps, 0 is generated), or JSON that names what is
generated: `{"generate": [[0.5, 1.2], [2.0, 2.4]]}` in seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.captioning.sidecar import decode_text
from ltx_core.curation.options.masks import AudioMaskOptions
from ltx_core.geometry.grid import AudioScale
from ltx_core.geometry.units import audio_steps
from ltx_core.media.audio import read_samples, time_origin
from ltx_core.media.errors import MediaError, MediaGoneError

Values = NDArray[np.float32]
SPAN_RATE = 1000
"""Values per second of a mask that is stated in spans; those at the edge of one are soft."""
NEAR = 1 / 256
"""How far from 0 or 1 a value of a sound file is meant as that: 16 bits end below 1, lossy files blur."""
AS_LONG = 0.05
"""Seconds by which a mask may end before its clip; its last value goes on."""
JSON_FORM = '{"generate": [[start, end], ...]} in seconds'


@dataclass(frozen=True)
class AudioMask:
    """`values` `[S]` in [0, 1], `rate` of them per second; 1 keeps, 0 is generated."""

    values: Values
    rate: int


def draw_spans(
    clip_id: str, seconds: float, options: AudioMaskOptions, least: float = 0.0
) -> list[tuple[float, float]]:
    """Stretches to generate, in order and apart: a function of the clip's id and the options.

    Args:
        clip_id: the clip.
        seconds: its duration.
        options: seed, coverage, number.
        least: shortest stretch in seconds; fewer or longer ones are drawn where they would be shorter.
    """
    seed = hashlib.sha256(f"{clip_id}/spans/{options.seed}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:16], "big"))
    total = min(max(options.coverage * seconds, least), seconds)
    most = max(1, min(options.spans, int(total / least) if least > 0 else options.spans))
    count = int(rng.integers(1, most + 1))
    shares = rng.dirichlet(np.full(count, 4.0))
    lengths = least + shares * max(0.0, total - count * least) if count * least <= total else [total]
    gaps = rng.dirichlet(np.ones(count + 1)) * (seconds - total)
    spans, at = [], 0.0
    for gap, length in zip(gaps, lengths, strict=False):
        at += float(gap)
        spans.append((at, min(at + float(length), seconds)))
        at += float(length)
    return spans


def spans_mask(spans: Sequence[tuple[float, float]], seconds: float) -> AudioMask:
    """The mask of `seconds` that generates `spans`."""
    edges = np.arange(max(1, round(seconds * SPAN_RATE)) + 1) / SPAN_RATE
    generated = np.zeros(len(edges) - 1)
    for start, end in spans:
        inside = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
        generated += np.clip(inside, 0, None) * SPAN_RATE
    return AudioMask((1 - np.clip(generated, 0, 1)).astype(np.float32), SPAN_RATE)


def read_audio_mask(path: Path, seconds: float, start_s: float = 0.0) -> AudioMask:
    """The mask of the stretch of `seconds` from `start_s` on in a mask file.

    Raises:
        MediaError: when the file cannot be read, is none of the two forms, or ends before the stretch does.
    """
    if path.suffix.lower() == ".json":
        spans = [(start - start_s, end - start_s) for start, end in _read_spans(path)]
        return spans_mask(spans, seconds)
    origin = time_origin(path)
    found = read_samples(path, origin + start_s, seconds)
    if found is None:
        raise MediaError("a mask over time is a sound or a JSON file; this one has no audio stream", path)
    wave, rate, end_s = found[0], found[1], found[2] - origin
    if end_s < start_s + seconds - AS_LONG:
        raise MediaError(
            f"the mask ends at {max(0.0, end_s):.2f} s, its sound at {start_s + seconds:.2f} s; "
            "make it as long",
            path,
        )
    values = np.abs(wave).mean(axis=0)
    held = max(1, min(len(values), round((end_s - start_s) * rate)))
    values[held:] = values[held - 1]
    if values.max() > 1 + 1e-3:
        raise MediaError(f"the mask goes up to {values.max():.2f}; its values lie in [0, 1]", path)
    values = np.where(values > 1 - NEAR, 1, np.where(values < NEAR, 0, values))
    return AudioMask(values.astype(np.float32), rate)


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


def _read_spans(path: Path) -> list[tuple[float, float]]:
    try:
        found = json.loads(decode_text(path.read_bytes(), path))
    except OSError as error:
        raise MediaGoneError(f"unreadable: {error.strerror or error}", path) from error
    except ValueError as error:
        raise MediaError(f"malformed JSON ({error}); write {JSON_FORM}", path) from error
    spans = found.get("generate") if isinstance(found, dict) and len(found) == 1 else None
    if not isinstance(spans, list):
        raise MediaError(f"no mask; write {JSON_FORM}", path)
    return [_span(span, path) for span in spans]


def _span(span: Any, path: Path) -> tuple[float, float]:
    numbers = span if isinstance(span, list) and len(span) == 2 else ()
    if not numbers or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        raise MediaError(f"{span!r} is no span; write {JSON_FORM}", path)
    start, end = map(float, numbers)
    if not 0 <= start < end:
        raise MediaError(f"the span {span!r} must begin at 0 or later and end after it begins", path)
    return start, end
