"""How sharp the sharpest parts of a picture are, whatever its contrast: out of focus is low everywhere.

Design choices
- The variance of the Laplacian (Pech-Pacheco et al., 2000) grows with contrast; divided by the variance of
  the picture itself it is a property of the spectrum alone. The square root is a mean squared frequency.
- Measured in blocks, of which the sharper ones of those with contrast count: a sharp face before a soft
  background is sharp.
- A light smoothing beforehand takes the weight from grain and from the blocks of a codec.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK = 32
"""Pixels of a block's side at 256 pixels' width."""
SMOOTHING = 0.8
"""Standard deviation of the smoothing, in pixels."""
LEAST_CONTRAST = 6.0
"""Standard deviation of luma (0 to 255) that a block must have to say anything."""
PERCENTILE = 80


def sharpness(gray: NDArray[np.uint8]) -> float:
    """A picture's sharpness from a luma picture `[h, w]`: about 0.5 to 1 in focus, below 0.15 far out of it.

    Returns:
        NaN for a picture too flat to tell.
    """
    height, width = gray.shape
    smooth = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), SMOOTHING)
    laplacian = cv2.Laplacian(smooth, cv2.CV_32F)
    size = max(1, round(width / BLOCK)), max(1, round(height / BLOCK))
    mean, square, edges = (
        cv2.resize(values, size, interpolation=cv2.INTER_AREA)
        for values in (smooth, np.square(smooth), np.square(laplacian))
    )
    variance = square - np.square(mean)
    telling = variance > LEAST_CONTRAST**2
    if not telling.any():
        return float("nan")
    # Blocks with little contrast are those in which grain weighs most: the better half counts.
    telling &= variance >= np.median(variance[telling])
    return float(np.percentile(np.sqrt(edges[telling] / variance[telling]), PERCENTILE))
