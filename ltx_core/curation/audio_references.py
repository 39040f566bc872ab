"""Reference sounds made of a clip's own: muffled, or with noise. As long as the clip, never scaled."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
EDGE_S = 0.1
"""Seconds of silence on either side of a sound while it is filtered, so that its ends do not meet."""


def lowpass(wave: Wave, rate: int, cutoff_hz: float) -> Wave:
    """`wave` `[C, S]` muffled: frequencies above `cutoff_hz` fade by 12 dB an octave; nothing is shifted."""
    edge = max(1, round(EDGE_S * rate))
    padded = np.pad(wave.astype(np.float64), ((0, 0), (edge, edge)))
    hertz = np.fft.rfftfreq(padded.shape[1], 1 / rate)
    gain = 1 / np.sqrt(1 + (hertz / cutoff_hz) ** 4)
    found = np.fft.irfft(np.fft.rfft(padded, axis=1) * gain, padded.shape[1], axis=1)
    return np.asarray(found[:, edge:-edge], np.float32)


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
