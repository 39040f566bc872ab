"""Videos and images beside a clip (a given reference, a mask): the stretch of them that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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


def read_stretch(path: Path, stretch: Stretch, width: int, height: int) -> Frames:
    """The frames of a stretch, uint8 `[F, H, W, 3]`, not smaller than `width` x `height` needs when fitted.

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
    return read_frames(path, indices, decode_size(info.width, info.height, width, height))
