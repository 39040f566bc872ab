"""Every frame of a film once, in order and small: what detectors and measures look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ltx_core.media.colour import picture_of
from ltx_core.media.container import FrameIndex, frame_index, open_media, video_stream
from ltx_core.media.decode import Frames, file_info
from ltx_core.media.errors import MediaError
from ltx_core.media.pictures import moving_frames, read_picture
from ltx_core.media.probe import MediaInfo
from ltx_core.media.treatment import PLAIN, Treatment

WIDTH = 256
"""Pixels across of the small frames (PySceneDetect's own default)."""


def every_frame(
    path: Path, width: int = WIDTH, treatment: Treatment = PLAIN
) -> Iterator[tuple[int, float, Frames]]:
    """Number, presentation time in seconds and picture uint8 `[h, w, 3]` (RGB) of every frame.

    Pictures are as shown (turned, square pixels, SDR), at most `width` pixels wide. Frames that are damaged
    are left out. Fields are not taken apart: at this size their comb is gone.

    Raises:
        MediaError: when the file cannot be read on, or the treatment refuses it.
    """
    path = Path(path)
    index, info = frame_index(path), file_info(path)
    reason = treatment.refusal(info)
    if reason:
        raise MediaError(reason, path)
    scale = min(1.0, width / info.width)
    size = max(1, round(info.width * scale)), max(1, round(info.height * scale))
    for number, picture in _pictures(path, info, index, size):
        yield number, index.times[number], picture


def _pictures(
    path: Path, info: MediaInfo, index: FrameIndex, size: tuple[int, int]
) -> Iterator[tuple[int, Frames]]:
    if info.pillow and info.kind == "image":
        yield 0, read_picture(path, size)
        return
    if info.pillow:
        yield from zip(range(len(index.times)), moving_frames(path, size), strict=False)
        return
    numbers = {pts: number for number, pts in enumerate(index.pts)} if index.seekable else None
    with open_media(path) as container:
        for count, frame in enumerate(container.decode(video_stream(container))):
            number = count if numbers is None else numbers.get(frame.pts)
            if number is not None and number < len(index.times) and not frame.is_corrupt:
                yield number, picture_of(frame, info, size, "AREA")
