"""Perceptual hashes: 64 bits that stay nearly the same when a picture is scaled or encoded anew.

The signs of the lowest 64 frequencies of the cosine transform against their median, without the mean
brightness (Zauner, 2010; 32 x 32 pixels).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 32
FLAT = 2.0
"""Standard deviation of luma (0 to 255) below which a picture is flat: its bits would be noise."""
NO_HASH = 0
"""Hash of a flat picture; no other has it, since half the bits are always set."""
_ORDER = sorted(((i, j) for i in range(SIDE) for j in range(SIDE)), key=lambda ij: (sum(ij), ij))[1:65]
_ROWS, _COLUMNS = np.array(_ORDER).T


def phash(gray: NDArray[np.uint8]) -> int:
    """Hash of a luma picture `[h, w]` as a signed 64-bit number; `NO_HASH` for a flat one."""
    small = cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    if float(small.std()) < FLAT:
        return NO_HASH
    lowest = cv2.dct(small)[_ROWS, _COLUMNS]
    bits = np.packbits(lowest > np.median(lowest))
    return int(bits.view(">i8")[0])
