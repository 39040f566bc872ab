"""A sound as a picture: time to the right, pitch upwards, loud is bright."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 0.064
"""Seconds of one spectrum: 16 Hz between two rows, enough to tell the voices of a chord apart."""
RANGE_DB = 80.0
"""Decibels below the loudest value that are black."""
LOWEST_HZ = 50.0


def spectrogram(
    wave: NDArray[np.float32], rate: int, width: int = 384, height: int = 128
) -> NDArray[np.uint8]:
    """Magnitudes of `wave` `[C, S]` in decibels as a picture uint8 `[height, width, 3]`.

    Rows are spaced by the logarithm of the frequency, from 50 Hz to half the rate.
    """
    import cv2

    mono = wave.mean(axis=0) if wave.size else np.zeros(1, np.float32)
    size = max(16, round(WINDOW_S * rate))
    padded = np.pad(mono, size // 2)
    starts = np.linspace(0, max(0, padded.size - size), width).round().astype(int)
    blocks = np.stack([np.pad(padded[s : s + size], (0, max(0, size - padded.size + s))) for s in starts])
    magnitude = np.abs(np.fft.rfft(blocks * np.hanning(size), axis=1))
    rows = np.geomspace(LOWEST_HZ, rate / 2, height) * size / rate
    bins = np.arange(magnitude.shape[1])
    picked = np.stack([np.interp(rows, bins, spectrum) for spectrum in magnitude])
    # Full scale is a sine of amplitude 1, whose magnitude is a quarter of the window's length.
    level = 20 * np.log10(np.maximum(picked / (size / 4), 1e-9))
    grey = np.clip((level / RANGE_DB + 1) * 255, 0, 255).round().astype(np.uint8)
    picture = cv2.applyColorMap(np.ascontiguousarray(grey.T[::-1]), cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(picture[..., ::-1])
