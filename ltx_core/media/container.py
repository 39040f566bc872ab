"""Open media files with PyAV and index their frames without decoding them.

Design choices
- The index lists the presentation time of every frame that a player shows, from packets. Packets that an
  edit list hides (`is_discard`) count as read but are no frames.
- A file whose packets bear no presentation times (old AVI) is indexed by decoding it, and is read in order.
- Truncation shows here: the packets of a cut-off file end long before its declared end.
- Frames before the first one that decoding can start from (a recording that begins anywhere) are no frames.
- Only formats that hold their media themselves are opened, and only as files: a playlist, whatever its name,
  could have other files read, or addresses asked.
- FFmpeg's own messages are off (PyAV's default): what matters becomes a reason.
"""

from __future__ import annotations

import errno
import itertools
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import av

from ltx_core.media.errors import MediaError, MediaGoneError
from ltx_core.media.junk import what_else
from ltx_core.media.pictures import look
from ltx_core.media.streams import FALLBACK_FPS, checked_video, decoded, packets, rate_of

COMPLETE_SHARE = 0.98
"""Share of the declared frames (or of the declared duration) that a file must hold not to be truncated."""
SCALING_THREADS = 1
"""PyAV's default starts a thread per core for each frame, which costs more than scaling; bits are equal."""
LONGEST_S = 1e6
"""Seconds (eleven days) from which on a file's times are taken for nonsense."""
REFERRING = frozenset(
    ("concat", "dash", "hls", "imf", "image2", "image2pipe", "lavfi", "rtp", "rtsp", "sap", "sdp", "svg_pipe")
)
"""Formats whose files name other files or addresses, or draw."""
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
        intact: False when packets are marked as damaged, or are not as many as the header says.
        back: units of time before a keyframe's pts that one must jump to, to meet it.
    """

    times: tuple[float, ...]
    pts: tuple[int, ...]
    keyframes: tuple[int, ...]
    end: float
    hidden: int = 0
    seekable: bool = True
    intact: bool = True
    back: int = 0


@contextmanager
def open_media(path: Path | str) -> Iterator[Any]:
    """An open PyAV container; every failure to open or read becomes a `MediaError` with a short reason."""
    check_file(Path(path))
    limits = {"format_whitelist": _formats(), "protocol_whitelist": "file"}
    container = None
    try:
        # `file:` keeps a name with a colon from being taken for an address.
        container = av.open(f"file:{path}", metadata_errors="replace", container_options=limits)
        with container:
            if container.format.name == "tty":
                raise MediaError(f"unreadable: {what_else(Path(path))}", path)
            yield container
    except av.error.FFmpegError as error:
        text = error.strerror or str(error)
        if error.errno in _DISK_ERRORS:
            raise MediaGoneError(f"unreadable: {text}", path) from error
        other = what_else(Path(path)) if container is None else ""
        raise MediaError(f"unreadable: {other or f'damaged or not a media file ({text})'}", path) from error


@lru_cache(maxsize=1)
def _formats() -> str:
    """Every format of FFmpeg's that may be opened."""
    return ",".join(sorted(name for name in av.formats_available if name not in REFERRING))


def check_file(path: Path) -> None:
    """Refuse what is no file with content that can be read.

    Raises:
        MediaError: with the reason.
    """
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


def frame_index(path: Path | str) -> FrameIndex:
    """The frames of `path`, remembered as long as its size and time of change stay.

    Raises:
        MediaError: unreadable, without a video stream, or truncated.
    """
    path = Path(path)
    check_file(path)
    facts = path.stat()
    return _frame_index(str(path), facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=16)
def _frame_index(path: str, size: int, changed: int) -> FrameIndex:
    del size, changed
    picture = look(Path(path))
    if picture is not None:
        return _index_picture(picture.durations)
    with open_media(path) as container:
        stream = checked_video(container, path)
        if stream is None:
            raise MediaError("no video stream", path)
        declared, seconds = stream.frames, _declared_seconds(container, stream)
        index, count = _index_packets(container, stream)
    if index is None:
        index = _index_by_decoding(path)
        count = len(index.times)
    if not index.times:
        raise MediaError("no frames in the video stream", path)
    length = index.end - index.times[0]
    if not 0 <= length <= LONGEST_S or abs(index.times[0]) > LONGEST_S:
        raise MediaError(
            f"unreadable: frames from {index.times[0]:g} s to {index.end:g} s; copy it into a new container",
            path,
        )
    if count < COMPLETE_SHARE * declared and length < COMPLETE_SHARE * seconds:
        raise MediaError(f"truncated: {count} of {declared} frames", path)
    return index if declared in (0, count) else replace(index, intact=False)


def _index_picture(durations: tuple[int, ...]) -> FrameIndex:
    """A still as one frame of a twenty-fifth of a second, or a moving picture's frames (milliseconds)."""
    if len(durations) < 2:
        return FrameIndex((0.0,), (0,), (0,), 1 / FALLBACK_FPS, seekable=False)
    starts = [0, *itertools.accumulate(durations)]
    times = tuple(start / 1000 for start in starts[:-1])
    return FrameIndex(times, tuple(range(len(times))), (0,), starts[-1] / 1000, seekable=False)


def _declared_seconds(container: Any, stream: Any) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1e6


def _index_packets(container: Any, stream: Any) -> tuple[FrameIndex | None, int]:
    """The index from packets and the number of packets; no index where packets have no times of their own."""
    shown: list[tuple[int, int]] = []
    keyframes: list[int] = []
    ahead = 0
    intact = True
    hidden = count = 0
    # AVI has no times; those that FFmpeg finds for frames out of order are others after a jump.
    guessed = container.format.name == "avi"
    for packet in packets(container, stream):
        if packet.size == 0:
            continue
        count += 1
        intact = intact and not packet.is_corrupt
        if packet.pts is None or (guessed and packet.pts != packet.dts):
            return None, count
        if packet.is_keyframe:
            keyframes.append(packet.pts)
            ahead = max(ahead, packet.pts - packet.dts if packet.dts is not None else 0)
        if packet.is_discard:
            hidden += 1
        else:
            shown.append((packet.pts, packet.duration or 0))
    # Without a picture to start from, frames at a recording's beginning cannot be decoded.
    shown = sorted(frame for frame in shown if not keyframes or frame[0] >= keyframes[0])
    if len({pts for pts, _ in shown}) < len(shown):
        return None, count
    # These have no list of keyframes: a jump ends at any packet, found by the time of its decoding.
    back = ahead if container.format.name in ("mpegts", "mpeg") else 0
    return replace(_index_of(shown, keyframes, stream, hidden), back=back, intact=intact), count


def _index_of(shown: list[tuple[int, int]], keyframes: list[int], stream: Any, hidden: int) -> FrameIndex:
    base = float(stream.time_base)
    step = 1 / rate_of(stream)
    end = max((pts * base + (duration * base or step) for pts, duration in shown), default=0.0)
    pts = tuple(pts for pts, _ in shown)
    times = tuple(value * base for value in pts)
    return FrameIndex(times, pts, tuple(sorted(keyframes)), end, hidden)


def _index_by_decoding(path: str) -> FrameIndex:
    with open_media(path) as container:
        stream = checked_video(container, path)
        rate = rate_of(stream)
        count = sum(1 for _ in decoded(container, stream))
    times = tuple(number / rate for number in range(count))
    return FrameIndex(times, tuple(range(count)), (0,), count / rate, seekable=False)
