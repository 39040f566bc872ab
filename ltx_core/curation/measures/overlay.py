"""What stands still while the picture moves: a logo, a watermark, burnt-in text.

Design choices
- Over stretches of a film, the mean gradient of each pixel is compared with the mean size of its gradients
  (after Dekel et al., 2017): where something is laid over a moving picture, even half transparent, the
  gradients agree; in the picture itself they cancel out.
- A pixel counts only where the picture around it moves. In a still shot nothing can be told, and nothing is.
- A straight edge that moves along itself stays where it is: a piece must have edges in several directions.
- Stretches of 8 s begin every 4 s: memory is that of two stretches, and a clip is judged by those that it
  lies in. They run on over cuts, where a logo shows best.
"""

from __future__ import annotations

from array import array

import cv2
import numpy as np
from numpy.typing import NDArray

OVERLAY_RATE = 4.0
"""Looks per second."""
STRETCH = 32
"""Looks of a stretch; the next begins in its middle."""
FEWEST = 8
"""Looks that a stretch must have to say anything."""
AGREEMENT = 0.7
"""Squared length of the mean gradient against the mean squared length, from which gradients agree."""
EDGE = 12.0
"""Luma per pixel from which the mean gradient is an edge."""
MOVING = 8.0
"""Standard deviation of luma over time from which a pixel moves."""
AROUND = 25
"""Pixels' width of the surroundings that must move."""
MOVING_SHARE = 0.35
"""Share of the surroundings that must move."""
DIRECTIONS = 0.1
"""Strength of a piece's edges across its main direction, against those along it, from which it is drawn."""
LEAST = 8
"""Pixels of a piece at least."""
Map = NDArray[np.float32]


class _Stretch:
    """Sums over the looks of one stretch."""

    def __init__(self, first: int, shape: tuple[int, int]) -> None:
        self.first = self.last = first
        self.looks = 0
        self._sums: NDArray[np.float32] = np.zeros((5, *shape), np.float32)

    def add(self, number: int, maps: tuple[Map, ...]) -> None:
        self.last = number
        self.looks += 1
        for total, values in zip(self._sums, maps, strict=True):
            total += values

    def score(self) -> float:
        """Share of the pixels that belong to an overlay; NaN where too little was seen."""
        if self.looks < FEWEST:
            return float("nan")
        luma, square, across, down, energy = self._sums / self.looks
        deviation = np.sqrt(np.maximum(square - np.square(luma), 0))
        moving = (deviation > MOVING).astype(np.float32)
        if float(moving.mean()) < MOVING_SHARE:
            return float("nan")
        mean = np.square(across) + np.square(down)
        stays = (mean > EDGE**2) & (mean > AGREEMENT * energy)
        around = cv2.blur(moving, (AROUND, AROUND), borderType=cv2.BORDER_REFLECT)
        share: float = _drawn(stays & (around > MOVING_SHARE), across, down) / moving.size
        return share


def _drawn(found: NDArray[np.bool_], across: Map, down: Map) -> int:
    """Pixels of those pieces that have edges in more than one direction: a horizon is no drawing.

    By the eigenvalues of each piece's structure tensor.
    """
    joined = cv2.dilate(found.astype(np.uint8), np.ones((5, 5), np.uint8))
    count, labels = cv2.connectedComponents(joined)
    pieces = labels[found]
    xx, yy, xy = (np.bincount(pieces, values[found], count) for values in (across**2, down**2, across * down))
    spread = np.sqrt(np.square(xx - yy) + 4 * np.square(xy))
    drawn = (xx + yy - spread) > DIRECTIONS * (xx + yy + spread)
    pixels = np.bincount(pieces, minlength=count)
    return int(pixels[drawn & (pixels >= LEAST)].sum())


class Overlay:
    """Watches for what stays."""

    def __init__(self) -> None:
        self._open: list[_Stretch] = []
        self._first, self._last, self._score = array("i"), array("i"), array("f")
        self._looks = 0
        self._shape: tuple[int, ...] = ()

    def see(self, number: int, gray: NDArray[np.uint8]) -> None:
        """Take a frame's luma `[h, w]`."""
        if gray.shape != self._shape:
            self._close(0)
            self._shape, self._looks = gray.shape, 0
        if self._looks % (STRETCH // 2) == 0:
            self._open.append(_Stretch(number, gray.shape))
        self._looks += 1
        luma = gray.astype(np.float32)
        across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=0.25)
        down = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=0.25)
        maps = (luma, np.square(luma), across, down, np.square(across) + np.square(down))
        for stretch in self._open:
            stretch.add(number, maps)
        self._close(STRETCH)

    def result(self) -> dict[str, NDArray[np.generic]]:
        """`overlay_first` and `overlay_last` (frames) and `overlay` (share of the pixels), each `[N]`."""
        self._close(0)
        return {
            "overlay_first": np.array(self._first, np.int32),
            "overlay_last": np.array(self._last, np.int32),
            "overlay": np.array(self._score, np.float16),
        }

    def _close(self, looks: int) -> None:
        """Note the stretches with as many looks, and let go of them."""
        for stretch in [found for found in self._open if found.looks >= looks]:
            self._first.append(stretch.first)
            self._last.append(stretch.last)
            self._score.append(stretch.score())
            self._open.remove(stretch)
