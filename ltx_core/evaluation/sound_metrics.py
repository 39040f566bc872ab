"""Metrics on sound: how far two sounds are apart in level and in pitch. A number without meaning is NaN."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ltx_core.evaluation.metrics import semitones
from ltx_core.media.audio import Wave
from ltx_core.media.mel import MelSpec, log_mel
from ltx_core.media.pitch import pitch

WINDOW_S, HOP_S = 0.064, 0.01
BANDS = 32
FLOOR = 1e-2
"""Smallest magnitude of a band: 40 dB and more below a loud tone counts as silence, noise floors do not."""
DB_PER_NEPER = 20 / math.log(10)


def levels_db(wave: Wave, rate: int) -> NDArray[np.float64]:
    """Level of 32 mel bands every 10 ms in decibels: `[2, frames, 32]`."""
    import torch

    size = 2 * round(WINDOW_S * rate / 2)
    spec = MelSpec(
        sample_rate=rate,
        n_fft=size,
        hop=max(1, round(HOP_S * rate)),
        mel_bins=BANDS,
        f_max=rate / 2,
        scale="htk",
        norm=None,
        floor=FLOOR,
    )
    short = max(0, size // 2 + 1 - wave.shape[-1])
    padded = np.pad(np.asarray(wave, np.float32), ((0, 0), (0, short)))
    found: NDArray[np.float64] = log_mel(torch.from_numpy(padded)[None], spec)[0].double().numpy()
    return found * DB_PER_NEPER


def sound_distance(generated: Wave, other: Wave, rate: int, where: NDArray[np.bool_] | None = None) -> float:
    """Mean absolute difference of the band levels in decibels; stereo, so that panning counts.

    Args:
        generated, other: `[2, S]`; the longer one is cut.
        rate: samples per second of both.
        where: `[T]` bool, equal parts of the time that count; None: all.

    Returns:
        NaN when no part counts.
    """
    length = min(generated.shape[-1], other.shape[-1])
    difference = levels_db(generated[:, :length], rate) - levels_db(other[:, :length], rate)
    if where is not None:
        place = np.arange(difference.shape[1]) * len(where) // difference.shape[1]
        difference = difference[:, where[place]]
    return float(np.abs(difference).mean()) if difference.size else math.nan


def pitch_distance(generated: Wave, other: Wave, rate: int, where: NDArray[np.bool_] | None = None) -> float:
    """Distance of the pitches in semitones, of the parts `where` `[T]` holds; NaN where one has none."""
    first, second = (pitch(_cut(wave, where), rate) for wave in (generated, other))
    return abs(semitones(first, second))


def _cut(wave: Wave, where: NDArray[np.bool_] | None) -> Wave:
    if where is None:
        return wave
    place = np.arange(wave.shape[-1]) * len(where) // wave.shape[-1]
    return wave[:, where[place]]
