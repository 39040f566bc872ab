"""Brightness and change of every frame: a few numbers each, whatever the film's size or rate.

Design choices
- Luma is that of the pixels as shown (Rec. 601 weights, as stored: no linear light), from 0 to 1.
- Change is measured on pictures of 64 pixels' width: the noise of a codec or a film's grain averages away,
  what moves does not.
- Still or moving is told from pictures an eighth of a second apart: a film that repeats single frames (24 in
  30 per second, drawings on twos) moves all the same.
"""

from __future__ import annotations

from array import array

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
SMALL_WIDTH = 64
"""Pixels' width at which change is measured."""
HIGH_SHARE = 0.99
"""Share of the pixels that are no brighter than a frame's `luma_high`."""
STILL = 0.012
"""Change (0 to 1) that noise makes where nothing moves: three of 255 levels of luma."""
LEVELS = np.arange(256)


class Light:
    """Mean luma, its 99th percentile, and the change since the frame before."""

    def __init__(self) -> None:
        self._mean, self._high, self._change = array("f"), array("f"), array("f")
        self._before: Gray | None = None

    def see(self, gray: Gray, small: Gray) -> None:
        """Take a frame: luma `[h, w]`, and the same small."""
        counts = cv2.calcHist([gray], [0], None, [256], [0, 256]).ravel()
        total = float(counts.sum())
        self._mean.append(float(counts @ LEVELS) / total / 255)
        self._high.append(float(np.searchsorted(np.cumsum(counts), HIGH_SHARE * total)) / 255)
        self._change.append(mean_change(self._before, small))
        self._before = small

    def result(self) -> dict[str, NDArray[np.float16]]:
        """`luma_mean`, `luma_high` and `change`, each `[F]` from 0 to 1; nothing before: no change."""
        series = {"luma_mean": self._mean, "luma_high": self._high, "change": self._change}
        return {name: np.array(values, np.float16) for name, values in series.items()}


class Motion:
    """Change between pictures an eighth of a second apart, and whether anything has moved."""

    def __init__(self) -> None:
        self._mean, self._peak = array("f"), array("f")
        self._before: Gray | None = None
        self._anchor: Gray | None = None

    def see(self, small: Gray) -> None:
        """Take a sampled frame, small."""
        self._mean.append(mean_change(self._before, small))
        self._before = small
        # Against the last picture that differed: what drifts slowly has moved after a while.
        peak = peak_change(self._anchor, small)
        self._peak.append(peak)
        if self._anchor is None or peak > STILL or self._anchor.shape != small.shape:
            self._anchor = small

    def result(self) -> dict[str, NDArray[np.float16]]:
        """`motion_mean` and `motion_peak`, each `[S]` from 0 to 1; a peak of at most `STILL` is no motion."""
        return {
            "motion_mean": np.array(self._mean, np.float16),
            "motion_peak": np.array(self._peak, np.float16),
        }


def small_gray(gray: Gray) -> Gray:
    """A luma picture reduced to `SMALL_WIDTH`; smaller ones are kept."""
    height, width = gray.shape
    if width <= SMALL_WIDTH:
        return gray
    size = SMALL_WIDTH, max(1, round(height * SMALL_WIDTH / width))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def mean_change(before: Gray | None, after: Gray) -> float:
    """Mean difference of two pictures from 0 to 1; 0 without one before, or where its size is another."""
    if before is None or before.shape != after.shape:
        return 0.0
    return float(cv2.absdiff(before, after).mean()) / 255


def peak_change(before: Gray | None, after: Gray) -> float:
    """Largest difference of two pictures from 0 to 1, as `mean_change`."""
    if before is None or before.shape != after.shape:
        return 0.0
    return float(cv2.absdiff(before, after).max()) / 255
