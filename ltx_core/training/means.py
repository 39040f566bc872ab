"""Means of what a training tells step by step, in memory that does not grow."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

WINDOW = 20
"""Steps over which speed and loss are averaged."""
CURVE_POINTS = 60
"""Most points of the curve of the loss."""


class Mean:
    """Mean of the last values; None without any. What is no finite number is not counted."""

    def __init__(self, window: int = WINDOW) -> None:
        self._values: deque[float] = deque(maxlen=window)

    def add(self, value: Any) -> None:
        """Take a value in."""
        if isinstance(value, int | float) and math.isfinite(value):
            self._values.append(value)

    @property
    def value(self) -> float | None:
        """The mean."""
        return sum(self._values) / len(self._values) if self._values else None

    @property
    def sum(self) -> float:
        """The sum of the same values."""
        return sum(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Curve:
    """A loss over all steps in at most `CURVE_POINTS` points: full, it halves by means of two."""

    def __init__(self) -> None:
        self._points: list[float] = []
        self._width = 1
        self._part: list[float] = []

    def add(self, value: Any) -> None:
        """Take a step's loss in."""
        if not (isinstance(value, int | float) and math.isfinite(value)):
            return
        self._part.append(value)
        if len(self._part) < self._width:
            return
        self._points.append(sum(self._part) / len(self._part))
        self._part = []
        if len(self._points) == CURVE_POINTS:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [(one + other) / 2 for one, other in pairs]
            self._width *= 2

    @property
    def points(self) -> tuple[float, ...]:
        """Means of equal parts; the last one is of the part that goes on."""
        rest = (sum(self._part) / len(self._part),) if self._part else ()
        return (*self._points, *rest)
