"""Fades from and to black: which frames of a scene lie before the light is on, or after it goes out.

Design choices
- Black is a dark mean without any bright spot: a night scene with a lamp in it is a scene.
- A fade is what touches black: the black frames, and beyond them those whose light still rises. A scene that
  is dark from its start to its end is no fade.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BRIGHT_SPOT = 56
"""Brightness (0 to 255) that no pixel of a black picture reaches."""
STEP = 3
"""Frames over which light must rise for a fade to go on: a flicker of one frame does not end it."""
RISE, LEAST_RISE = 1.02, 0.4
"""By how much it must rise over `STEP` frames: a factor, and grey levels."""
LONGEST_S = 4.0
"""Seconds that a fade may last beyond its black frames."""


class Light:
    """Observes how bright each frame is: mean of all pixels, and its brightest one."""

    def __init__(self) -> None:
        self._mean = array("f")
        self._peak = array("h")

    def see(self, number: int, time: float, frame: NDArray[np.uint8]) -> None:
        """Take a frame `[h, w, 3]`."""
        import cv2

        del number, time
        self._mean.append(sum(cv2.mean(frame)[:3]) / 3)
        self._peak.append(int(frame.max()))

    def result(self) -> dict[str, NDArray[np.float32]]:
        """`light`: mean brightness (0 to 255) of each frame; `peak`: the brightest value in it."""
        return {
            "light": np.array(self._mean, np.float32),
            "peak": np.array(self._peak, np.float32),
        }


def clear_range(
    light: NDArray[np.float32], peak: NDArray[np.float32], times: Sequence[float], threshold: float
) -> tuple[int, int]:
    """First frame after a fade from black and one past the last before a fade to black, of one scene.

    Args:
        light, peak: of the scene's frames, as `Light` measures them.
        times: their presentation times in seconds.
        threshold: mean brightness below which a picture is black.
    """
    black = (light < threshold) & (peak < BRIGHT_SPOT)
    if black.all():
        return 0, len(light)
    clock = np.asarray(times)
    head = _dark_end(light, black, clock - clock[0])
    tail = _dark_end(light[::-1], black[::-1], (clock[-1] - clock)[::-1])
    return (head, len(light) - tail) if head + tail < len(light) else (0, len(light))


def _dark_end(light: NDArray[np.float32], black: NDArray[np.bool_], clock: NDArray[np.float64]) -> int:
    """Number of frames at the beginning that are black or still grow brighter."""
    if not black[0]:
        return 0
    first = place = int(np.argmin(black))
    while place + STEP < len(light) and clock[place] - clock[first] < LONGEST_S:
        if light[place + STEP] < light[place] * RISE + LEAST_RISE:
            break
        place += 1
    return place + int(np.argmax(light[place : place + STEP])) if place > first else place
