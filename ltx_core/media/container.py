"""Open media files with PyAV and index their frames without decoding them.

Design choices
- The index lists the presentation time of every frame that a player shows, from packets. Packets that an
  edit list hides (`is_discard`) count as read but are no frames.
- A file whose packets bear no presentation times (old AVI) is indexed by decoding it, and is read in order.
- Truncation shows here: the packets of a cut-off file end long before its declared end.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import av

from ltx_core.media.errors import MediaError, MediaGoneError

COMPLETE_SHARE = 0.98
"""Share of the declared frames (or of the declared duration) that a file must hold not to be truncated."""
FALLBACK_FPS = 25.0
SCALING_THREADS = 1
"""PyAV's default starts a thread per core for each frame, which costs more than scaling; bits are equal."""
_DISK_ERRORS = frozenset({errno.EIO, errno.ENOENT, errno.EACCES, errno.ESTALE, errno.ENODEV, errno.ENOTCONN})
"""System errors that speak of the disk or the network, not of the file's content."""


@dataclass(frozen=True)
class FrameIndex:
    """The frames of one video stream in presentation order; times in seconds on the file's own time line.

    Attributes:
        times: presentation time of each frame.
        pts: the same in units of the stream's time base.
        keyframes: pts of the frames that decoding can start from.
        end: time at which the last frame ends.
        hidden: packets that an edit list hides.
        seekable: False when frames can only be counted from the file's start.
    """

    times: tuple[float, ...]
    pts: tuple[int, ...]
    keyframes: tuple[int, ...]
    end: float
    hidden: int = 0
    seekable: bool = True


@contextmanager
def open_media(path: Path | str) -> Iterator[Any]:
    """An open PyAV container; every failure to open or read becomes a `MediaError` with a short reason."""
    _check_file(Path(path))
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if container.format.name == "tty":
                raise MediaError("unreadable: a text file, not a video", path)
            yield container
    except av.error.FFmpegError as error:
        text = error.strerror or str(error)
        if error.errno in _DISK_ERRORS:
            raise MediaGoneError(f"unreadable: {text}", path) from error
        raise MediaError(f"unreadable: damaged or not a media file ({text})", path) from error


def _check_file(path: Path) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise MediaError("unreadable: not a file", path)
        with path.open("rb") as handle:
            if not handle.read(1):
                raise MediaError("empty file", path)
    except FileNotFoundError as error:
        raise MediaGoneError("missing: no such file", path) from error
    except OSError as error:
        raise MediaGoneError(f"unreadable: {error.strerror}", path) from error


def video_stream(container: Any) -> Any:
    """The first real video stream, or None; a cover picture is no video."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


def audio_stream(container: Any) -> Any:
    """The first audio stream whose codec is known, or None."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def frame_index(path: Path | str) -> FrameIndex:
    """The frames of `path`, remembered as long as its size and time of change stay.

    Raises:
        MediaError: unreadable, without a video stream, or truncated.
    """
    path = Path(path)
    _check_file(path)
    facts = path.stat()
    return _frame_index(str(path), facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=16)
def _frame_index(path: str, size: int, changed: int) -> FrameIndex:
    del size, changed
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise MediaError("no video stream", path)
        declared, seconds = stream.frames, _declared_seconds(container, stream)
        index, packets = _index_packets(container, stream)
    if index is None:
        index = _index_by_decoding(path)
        packets = len(index.times)
    if not index.times:
        raise MediaError("no frames in the video stream", path)
    length = index.end - index.times[0]
    if packets < COMPLETE_SHARE * declared and length < COMPLETE_SHARE * seconds:
        raise MediaError(f"truncated: {packets} of {declared} frames", path)
    return index


def _declared_seconds(container: Any, stream: Any) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1e6


def _index_packets(container: Any, stream: Any) -> tuple[FrameIndex | None, int]:
    """The index from packets and the number of packets; no index where a packet has no time."""
    shown: list[tuple[int, int]] = []
    keyframes: list[int] = []
    hidden = count = 0
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        count += 1
        if packet.pts is None:
            return None, count
        if packet.is_keyframe:
            keyframes.append(packet.pts)
        if packet.is_discard:
            hidden += 1
        else:
            shown.append((packet.pts, packet.duration or 0))
    shown.sort()
    base = float(stream.time_base)
    step = 1 / float(stream.average_rate or stream.guessed_rate or FALLBACK_FPS)
    end = max((pts * base + (duration * base or step) for pts, duration in shown), default=0.0)
    pts = tuple(pts for pts, _ in shown)
    times = tuple(value * base for value in pts)
    return FrameIndex(times, pts, tuple(sorted(keyframes)), end, hidden), count


def _index_by_decoding(path: str) -> FrameIndex:
    with open_media(path) as container:
        stream = video_stream(container)
        rate = float(stream.average_rate or stream.guessed_rate or FALLBACK_FPS)
        count = sum(1 for _ in container.decode(stream))
    times = tuple(number / rate for number in range(count))
    return FrameIndex(times, tuple(range(count)), (0,), count / rate, seekable=False)
