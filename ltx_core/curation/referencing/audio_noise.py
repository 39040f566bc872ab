"""noise: a clip's sound with white noise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class AudioNoiseOptions:
    """Level of the sound above that of the noise; the seed is its source, with the clip's id."""

    snr_db: float = 10.0
    seed: int = 0


def add_noise(wave: Wave, clip_id: str, snr_db: float, seed: int) -> Wave:
    """`wave` `[C, S]` with white noise `snr_db` below it, a function of the clip's id and the seed.

    What would exceed full scale is made quieter as a whole.
    """
    digest = hashlib.sha256(f"{clip_id}/noise/{seed}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    level = float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))
    noise = rng.standard_normal(wave.shape) * level * 10 ** (-snr_db / 20)
    mixed = wave + noise
    return np.asarray(mixed / max(1.0, float(np.abs(mixed).max())), np.float32)


def _make(wave: Wave, rate: int, options: AudioNoiseOptions, work: Work) -> Wave:
    return add_noise(wave, work.clip_id, options.snr_db, options.seed)


AUDIO_NOISE = Kind("noise", "the sound with white noise, `snr_db` below it", AudioNoiseOptions, _make)
