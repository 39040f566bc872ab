"""Which source frames a clip shows: resampling to a frame rate by the nearest presentation time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FrameWindow:
    """`count` frames at `fps` from `start` seconds on, taken from the source frames `first` to `last`.

    `last` is one past the last frame that may be shown (None: the file's end), so that no frame of the next
    scene slips in where the rates differ.
    """

    start: float
    fps: float
    count: int
    first: int = 0
    last: int | None = None

    @property
    def duration(self) -> float:
        """Seconds that the frames stand for."""
        return self.count / self.fps

    def frames(self, times: Sequence[float]) -> list[int]:
        """Source frame of each frame of the window, given all presentation times of the file."""
        last = len(times) if self.last is None else min(self.last, len(times))
        inside = nearest_frames(times[self.first : last], self.start, self.fps, self.count)
        return [self.first + index for index in inside]


def nearest_frames(times: Sequence[float], start: float, fps: float, count: int) -> list[int]:
    """Index of the frame whose time is nearest to start + i / fps, for i from 0 to count - 1.

    The earlier one of two equally near frames is taken. Times before the first or after the last frame give
    that frame.

    Raises:
        ValueError: when there are no times, or `fps` is not positive.
    """
    if not times:
        raise ValueError("no frame times to choose from")
    if fps <= 0:
        raise ValueError(f"{fps} frames per second; the rate must be positive")
    return [_nearest(times, start + number / fps) for number in range(count)]


def _nearest(times: Sequence[float], wanted: float) -> int:
    right = bisect_left(times, wanted)
    if right == 0:
        return 0
    if right == len(times):
        return right - 1
    # A tolerance of a microsecond: equal distances differ in the last bit of a float.
    return right - 1 if wanted - times[right - 1] <= times[right] - wanted + 1e-6 else right
