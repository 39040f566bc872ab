"""Every frame of a film once, in order: what detectors and measures look at."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from ltx_core.media.colour import picture_of
from ltx_core.media.container import FrameIndex, frame_index, open_media
from ltx_core.media.decode import Frames, file_info
from ltx_core.media.pictures import moving_frames, read_picture
from ltx_core.media.probe import MediaInfo
from ltx_core.media.streams import decoded, video_stream

WIDTH = 256
"""Pixels across of the small frames (PySceneDetect's own default)."""
Numbered = Generator[tuple[int, Any], None, None]
"""Frames as decoded, with their numbers."""
LEAD_IN = 1.0
"""Seconds before the wanted part from which on a film is decoded: frames near a jump may be missing."""


@dataclass(frozen=True)
class Shown:
    """One frame of a film, to be looked at in one size or several."""

    number: int
    time: float
    info: MediaInfo
    frame: Any

    def at(self, width: int = WIDTH) -> Frames:
        """The frame as shown (turned, square pixels, SDR), at most `width` wide: `[h, w, 3]`, RGB."""
        scale = min(1.0, width / self.info.width)
        size = max(1, round(self.info.width * scale)), max(1, round(self.info.height * scale))
        if not self.info.pillow:
            return picture_of(self.frame, self.info, size, "AREA")
        picture: Frames = self.frame
        if scale < 1:
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return picture


def every_frame(path: Path, first: int = 0, last: int | None = None) -> Iterator[Shown]:
    """The frames `first` to `last` (end exclusive; None: the film's end) in order, decoded once.

    Frames that are damaged are left out. Fields are not taken apart: in a small picture their comb is gone.

    Raises:
        MediaError: when the file cannot be read on.
    """
    path = Path(path)
    index, info = frame_index(path), file_info(path)
    last = len(index.times) if last is None else last
    decode = _by_pillow(path, info) if info.pillow else _by_pyav(path, index, first)
    with closing(decode) as frames:
        for number, frame in frames:
            if number >= last:
                return
            if number >= first:
                yield Shown(number, index.times[number], info, frame)


def _by_pillow(path: Path, info: MediaInfo) -> Numbered:
    if info.kind == "image":
        yield 0, read_picture(path)
    else:
        yield from zip(range(info.frames), moving_frames(path), strict=False)


def _by_pyav(path: Path, index: FrameIndex, first: int) -> Numbered:
    numbers = {pts: number for number, pts in enumerate(index.pts)} if index.seekable else None
    with open_media(path) as container:
        stream = video_stream(container)
        stream.codec_context.thread_count = 1
        if numbers is not None and first > 0:
            container.seek(_start(index, first) - index.back, stream=stream, backward=True)
        for count, frame in enumerate(decoded(container, stream)):
            number = count if numbers is None else numbers.get(frame.pts)
            if number is not None and number < len(index.times) and not frame.is_corrupt:
                yield number, frame


def _start(index: FrameIndex, first: int) -> int:
    """Where to decode from for the frame `first`."""
    pts = index.pts[max(0, bisect_left(index.times, index.times[first] - LEAD_IN))]
    place = bisect_right(index.keyframes, pts) - 1
    return index.keyframes[max(place, 0)] if index.keyframes else index.pts[0]
