"""A scene: an exact range of a film's frames."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from ltx_core.curation.buckets import TIME_TOLERANCE


@dataclass(frozen=True)
class Borders:
    """One-colour borders of a frame, in pixels as shown."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


@dataclass(frozen=True)
class Scene:
    """The frames `start_frame` to `end_frame` (end exclusive) of a file, and their times in seconds.

    Attributes:
        start_frame, end_frame: the range.
        start_s, end_s: from the start of the first to the end of the last frame.
        times: presentation times of its frames; empty: evenly spread.
        clear_start, clear_end: the range without the frames of a fade from and to black; None: no fade.
        borders: around the picture in all of its frames; None: none.
    """

    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    times: tuple[float, ...] = field(default=(), repr=False)
    clear_start: int | None = None
    clear_end: int | None = None
    borders: Borders | None = None

    @property
    def duration(self) -> float:
        """Seconds from the start of the first to the end of the last frame."""
        return self.end_s - self.start_s

    def frame_times(self) -> Sequence[float]:
        """Presentation time of each frame."""
        if self.times:
            return self.times
        count = self.end_frame - self.start_frame
        return [self.start_s + self.duration * number / count for number in range(count)]

    def part(self, first: int, last: int) -> Scene:
        """The frames `first` to `last` (end exclusive, numbers of the film) as a scene of their own."""
        times = self.frame_times()
        inside = tuple(times[first - self.start_frame : last - self.start_frame])
        end = self.end_s if last >= self.end_frame else times[last - self.start_frame]
        return Scene(first, last, inside[0], end, inside, borders=self.borders)

    def frame_at(self, seconds: float) -> int:
        """Number of the first of its frames that begins at `seconds` or later; `end_frame` when none does."""
        return self.start_frame + bisect_left(self.frame_times(), seconds - TIME_TOLERANCE)
