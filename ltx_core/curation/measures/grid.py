"""When a measure looks: a fixed grid of times, so that films of any frame rate are sampled alike."""

from __future__ import annotations

import math

TOLERANCE = 1e-6
"""Seconds by which a frame may come before its cell of the grid."""


class Grid:
    """The first frame of each cell of `1 / rate` seconds; a film slower than that is sampled whole."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._cell = -math.inf

    def due(self, time: float) -> bool:
        """Whether the frame at `time` seconds is the first of its cell."""
        cell = math.floor((time + TOLERANCE) * self.rate)
        if cell <= self._cell:
            return False
        self._cell = cell
        return True
