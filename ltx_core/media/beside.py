"""Videos and images beside a clip (a given reference, a mask): the stretch of them that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.container import frame_index
from ltx_core.media.decode import read_frames
from ltx_core.media.errors import MediaError
from ltx_core.media.fit import decode_size
from ltx_core.media.probe import MediaInfo, probe
from ltx_core.media.treatment import PLAIN
from ltx_core.media.window import nearest_frames

Frames = NDArray[np.uint8]
AS_LONG = 0.1
"""Seconds by which a file may be shorter than its film and still count as one of its length."""


SAME_ASPECT = 0.02
"""By which share the aspects of two sizes may differ and count as one: small sizes are rounded."""


class Part(Protocol):
    """The part of a film's frames that is used; sizes in the film's pixels."""

    @property
    def width(self) -> int:
        """Of the part."""

    @property
    def height(self) -> int:
        """Of the part."""

    @property
    def of_width(self) -> int:
        """Of the whole frame."""

    @property
    def of_height(self) -> int:
        """Of the whole frame."""

    def scaled(self, width: int, height: int) -> tuple[slice, slice]:
        """Rows and columns of the part in frames of `width` x `height` pixels."""


@dataclass(frozen=True)
class Stretch:
    """`count` frames at `fps`, from `start` seconds after a file's first frame on."""

    count: int
    fps: float
    start: float = 0.0

    @property
    def last(self) -> float:
        """Time of the last frame, in seconds after the file's first."""
        return self.start + (self.count - 1) / self.fps


def open_pictures(path: Path) -> MediaInfo:
    """What a file with pictures holds.

    Raises:
        MediaError: when it cannot be read, has no pictures, or they are no SDR frames.
    """
    info = probe(path)
    reason = PLAIN.refusal(info)
    if reason:
        raise MediaError(reason, path)
    if info.kind == "audio":
        raise MediaError("no pictures: a sound; give a video or an image", path)
    return info


def length_of(path: Path) -> float:
    """Seconds from the start of a file's first frame to the end of its last.

    Raises:
        MediaError: when it cannot be read.
    """
    index = frame_index(path)
    return index.end - index.times[0]


def shows_whole(path: Path, part: Part) -> bool:
    """Whether a file has the shape of its film's whole frame, rather than that of its used part.

    Raises:
        MediaError: when it cannot be read.
    """
    stat = path.stat() if path.exists() else None
    width, height = _size(path, (stat.st_size, stat.st_mtime_ns) if stat else (0, 0))
    aspect, whole, inner = width / height, part.of_width / part.of_height, part.width / part.height
    far = abs(aspect / whole - 1)
    return far <= SAME_ASPECT and far < abs(aspect / inner - 1)


@lru_cache(maxsize=4096)
def _size(path: Path, stamp: tuple[int, int]) -> tuple[int, int]:
    """Width and height as shown, of a file as it was at `stamp`; planning asks for them clip by clip."""
    info = open_pictures(path)
    return info.width, info.height


def read_stretch(path: Path, stretch: Stretch, width: int, height: int, part: Part | None = None) -> Frames:
    """The frames of a stretch, uint8 `[F, H, W, 3]`, not smaller than `width` x `height` needs when fitted.

    Args:
        path: a video or an image.
        stretch: which frames.
        width, height: what they are fitted to later.
        part: what is used of the film's frames: cut out of these ones where they show the whole frame.

    Raises:
        MediaError: when the file cannot be read, has no pictures, or ends before the stretch does.
    """
    info = open_pictures(path)
    index = frame_index(path)
    first = index.times[0]
    end = max(index.end, index.times[-1] + 1 / stretch.fps)
    if first + stretch.last >= end + 1e-6:
        what = "an image" if info.kind == "image" else f"ends at {index.end - first:.2f} s"
        raise MediaError(
            f"{what}; its target needs {stretch.count} frames at {stretch.fps:g} per second from "
            f"{stretch.start:.2f} s to {stretch.last:.2f} s. Give a file as long as its target",
            path,
        )
    indices = nearest_frames(index.times, first + stretch.start, stretch.fps, stretch.count)
    if part is None or not shows_whole(path, part):
        return read_frames(path, indices, decode_size(info.width, info.height, width, height))
    rows, columns = part.scaled(info.width, info.height)
    across, down = columns.stop - columns.start, rows.stop - rows.start
    size = decode_size(across, down, width, height)
    if size is not None:
        size = round(info.width * size[0] / across), round(info.height * size[1] / down)
    return read_frames(path, indices, size, change=_cutter(part))


def _cutter(part: Part) -> Callable[[Frames], Frames]:
    def cut(frame: Frames) -> Frames:
        rows, columns = part.scaled(frame.shape[1], frame.shape[0])
        return frame[rows, columns]

    return cut
