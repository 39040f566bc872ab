"""The source pass: every frame of a film decoded once, made small, and shown to all who watch.

Frames are streamed: memory does not grow with the film but for its index and a few numbers per frame.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.buckets import TIME_TOLERANCE
from ltx_core.curation.observe import Observer
from ltx_core.curation.options.scenes import Length, SceneOptions, parse_length
from ltx_core.media.container import COMPLETE_SHARE, FrameIndex
from ltx_core.media.errors import MediaError
from ltx_core.media.film import every_frame


@dataclass(frozen=True)
class Part:
    """The frames `first` to `last` (end exclusive) of a film."""

    first: int
    last: int


def chosen_part(index: FrameIndex, options: SceneOptions) -> Part:
    """The part of a film that `skip_start`, `skip_end` and `duration` leave; a still is taken whole.

    Raises:
        MediaError: when they leave nothing.
    """
    count = len(index.times)
    if count == 1:  # a picture has no ends that could be left out
        return Part(0, 1)
    begin = _frame_after(index, 0, options.skip_start)
    end = _frame_before(index, options.skip_end)
    if options.duration is not None:
        end = min(end, _frame_after(index, begin, options.duration)) if begin < count else end
    if begin >= end:
        seconds = index.end - index.times[0]
        raise MediaError(
            f"nothing is left of {count} frames ({seconds:.2f} s) by scenes.skip_start, skip_end and duration"
        )
    return Part(begin, end)


def _frame_after(index: FrameIndex, start: int, length: Length) -> int:
    wanted = parse_length(length)
    if isinstance(wanted, int):
        return min(start + wanted, len(index.times))
    return bisect_left(index.times, index.times[start] + wanted - TIME_TOLERANCE)


def _frame_before(index: FrameIndex, length: Length) -> int:
    wanted = parse_length(length)
    if isinstance(wanted, int):
        return max(len(index.times) - wanted, 0)
    if wanted <= 0:
        return len(index.times)
    return bisect_left(index.times, index.end - wanted - TIME_TOLERANCE)


def run_pass(path: Path, part: Part, views: Mapping[int, Sequence[Observer]]) -> NDArray[np.int64]:
    """Show every frame of a part of a film to all who watch; returns the numbers of the shown frames.

    Args:
        path: the film.
        part: what is shown of it.
        views: who watches, by the width in pixels at which the frames are shown.

    Raises:
        MediaError: when too many frames cannot be decoded.
    """
    seen = array("q")
    for shown in every_frame(path, part.first, part.last):
        seen.append(shown.number)
        for width, watching in views.items():
            picture = shown.at(width)
            for observer in watching:
                observer.see(shown.number, shown.time, picture)
    if len(seen) < COMPLETE_SHARE * (part.last - part.first):
        raise MediaError(f"unreadable: {len(seen)} of {part.last - part.first} frames can be decoded", path)
    return np.array(seen, np.int64)


def aligned(
    series: Mapping[str, NDArray[Any]], seen: NDArray[np.int64], count: int
) -> dict[str, NDArray[Any]]:
    """Series with one value for each of a film's `count` frames, where they have one per seen frame.

    Frames that were not seen get the value of the one before them (the first seen one at the film's
    beginning). Other series are left as they are.
    """
    if len(seen) == count:
        return dict(series)
    place = np.clip(np.searchsorted(seen, np.arange(count), side="right") - 1, 0, None)
    return {name: values[place] if len(values) == len(seen) else values for name, values in series.items()}
