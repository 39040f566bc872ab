"""The wanted frames of an open file: jumps where a keyframe allows, counts where a file has no times."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from ltx_core.media.container import FrameIndex
from ltx_core.media.deinterlace import deinterlaced
from ltx_core.media.streams import decoded


def wanted_frames(
    container: Any, stream: Any, indices: list[int], index: FrameIndex, whole: bool
) -> Iterator[Any]:
    """The frames `indices` (rising) of an open file; fewer where one cannot be decoded.

    Args:
        container: PyAV's.
        stream: its video.
        indices: numbers of frames.
        index: the file's.
        whole: whether frames are made whole of their fields.
    """
    read = _seek_frames if index.seekable else _count_frames
    if not whole:
        yield from read(container, stream, indices, index)
        return
    count = len(index.times)
    # A file that can only be read from its start is read in one run.
    all_before = list(range(min(indices[-1] + 2, count)))
    for run in _with_neighbours(indices, count) if index.seekable else [all_before]:
        inside = set(run).intersection(indices)
        frames = deinterlaced(read(container, stream, run, index), stream)
        for number, frame in zip(run, frames, strict=False):
            if number in inside:
                yield frame


def _with_neighbours(indices: list[int], count: int) -> Iterator[list[int]]:
    """Runs of consecutive frames that hold the wanted ones and those before and after each."""
    run: list[int] = []
    for number in sorted({near for one in indices for near in (one - 1, one, one + 1) if 0 <= near < count}):
        if run and number > run[-1] + 1:
            yield run
            run = []
        run.append(number)
    yield run


def _count_frames(container: Any, stream: Any, indices: list[int], index: FrameIndex) -> Iterator[Any]:
    """The wanted frames of a file that can only be read from its start."""
    del index
    wanted = set(indices)
    for number, frame in enumerate(decoded(container, stream)):
        if number in wanted:
            yield frame
        if number >= indices[-1]:
            return


def _seek_frames(container: Any, stream: Any, indices: list[int], index: FrameIndex) -> Iterator[Any]:
    """The wanted frames; jumps ahead where a keyframe lies between two of them."""
    position: int | None = None
    source: Iterator[Any] = iter(())
    for number in indices:
        pts = index.pts[number]
        keyframe = _keyframe_before(index, pts)
        if position is None or keyframe > position:
            container.seek(keyframe - index.back, stream=stream, backward=True)
            source = decoded(container, stream)
        frame = _advance(source, pts)
        if frame is None or frame.pts != pts:
            # The container's seek landed behind the frame: decode from the start.
            first = min(index.keyframes[0], index.pts[0]) if index.keyframes else index.pts[0]
            container.seek(first - index.back, stream=stream, backward=True)
            source = decoded(container, stream)
            frame = _advance(source, pts)
            if frame is None or frame.pts != pts:
                return
        position = pts
        yield frame


def _keyframe_before(index: FrameIndex, pts: int) -> int:
    place = bisect_right(index.keyframes, pts) - 1
    return index.keyframes[max(place, 0)] if index.keyframes else index.pts[0]


def _advance(source: Iterator[Any], pts: int) -> Any | None:
    for frame in source:
        if frame.pts is not None and frame.pts >= pts:
            return frame
    return None
