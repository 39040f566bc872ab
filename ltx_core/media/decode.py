"""Read single frames of a video, exactly, as RGB.

Design choices
- decord reads plain files: its own reader per call, sorted indices, closed at once (it decodes ahead without
  bound, and a reader that two threads share hangs).
- PyAV reads what decord gets wrong or cannot read: AV1, AVI, GIF, stills, edit lists, pixels that are not
  square, high-definition video that does not state its colours, and any file on which decord fails.
- Both give the frame that a player shows: turned by the file's rotation, with square pixels.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.container import SCALING_THREADS, FrameIndex, frame_index, open_media, video_stream
from ltx_core.media.errors import MediaError
from ltx_core.media.probe import MediaInfo, probe
from ltx_core.media.window import nearest_frames

log = logging.getLogger(__name__)
DECORD_CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9"})
DECORD_CONTAINERS = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})
"""In others (AVI with B-frames, for one) decord returns wrong frames without a word."""
Frames = NDArray[np.uint8]
Size = tuple[int, int]


def frame_times(path: Path | str) -> list[float]:
    """Presentation time of every frame in seconds, in order.

    Raises:
        MediaError: unreadable, truncated, or without a video stream.
    """
    return list(frame_index(path).times)


def frame_count(path: Path, fps: float) -> int:
    """Frames of a video at `fps`; 1 for an image.

    Raises:
        MediaError: when it cannot be read.
    """
    times = frame_times(path)
    return int((times[-1] - times[0]) * fps + 1e-3) + 1


def read_frames(path: Path | str, at: Sequence[int] | Sequence[float], size: Size | None = None) -> Frames:
    """Frames of a video in the order asked for, uint8 `[F, H, W, 3]`, RGB.

    Args:
        path: the file.
        at: frame indices (all int) or times in seconds (any float), for which the nearest frame is taken.
        size: (width, height) to resize to while decoding, whatever the aspect; None keeps the size.

    Raises:
        MediaError: the file or one of the frames cannot be read.
        ValueError: no frame asked for, or an index out of range.
    """
    path = Path(path)
    index = frame_index(path)
    wanted = _indices(index, at)
    unique = sorted(set(wanted))
    info = _probe(str(path), path.stat().st_mtime_ns)
    frames = _read_decord(path, unique, size, index) if is_plain(info) else None
    if frames is None:
        frames = _read_pyav(path, unique, size, info, index)
    place = {number: position for position, number in enumerate(unique)}
    order = [place[number] for number in wanted]
    return frames if order == list(range(len(unique))) else frames[order]


def is_plain(info: MediaInfo) -> bool:
    """Whether decord reads this file right."""
    return (
        info.kind == "video"
        and info.video_codec in DECORD_CODECS
        and info.container in DECORD_CONTAINERS
        and not info.hidden
        and info.seekable
        and info.video_start >= 0
        and info.square
        and not info.assume_709
    )


def _indices(index: FrameIndex, at: Sequence[int] | Sequence[float]) -> list[int]:
    if not len(at):
        raise ValueError("no frames asked for; name at least one index or time")
    if any(isinstance(value, float | np.floating) for value in at):
        return [nearest_frames(index.times, float(time), 1.0, 1)[0] for time in at]
    numbers = [int(number) for number in at]
    if min(numbers) < 0 or max(numbers) >= len(index.times):
        wrong = min(numbers) if min(numbers) < 0 else max(numbers)
        raise ValueError(f"frame {wrong} asked for; the file has the frames 0 to {len(index.times) - 1}")
    return numbers


@lru_cache(maxsize=64)
def _probe(path: str, changed: int) -> MediaInfo:
    del changed
    return probe(path)


def _read_decord(path: Path, indices: list[int], size: Size | None, index: FrameIndex) -> Frames | None:
    """Frames by decord, or None when it fails on this file."""
    try:
        import decord
    except ImportError:
        return None
    decord.logging.set_level(decord.logging.QUIET)
    width, height = size or (-1, -1)
    reader = None
    try:
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1, width=width, height=height)
        if len(reader) != len(index.times):
            log.debug("%s: decord counts %d frames, PyAV %d", path, len(reader), len(index.times))
            return None
        return np.asarray(reader.get_batch(indices).asnumpy(), np.uint8)
    except (decord.DECORDError, RuntimeError) as error:
        log.debug("%s: decord failed (%s); reading with PyAV", path, str(error).splitlines()[0])
        return None
    finally:
        del reader


def _read_pyav(
    path: Path, indices: list[int], size: Size | None, info: MediaInfo, index: FrameIndex
) -> Frames:
    if size is None and not info.square:
        size = (info.width, info.height)
    out: list[Frames] = []
    with open_media(path) as container:
        stream = video_stream(container)
        stream.codec_context.thread_count = 1
        chosen = _seek_frames if index.seekable else _count_frames
        for frame in chosen(container, stream, indices, index):
            out.append(_rgb(frame, size, info))
    if len(out) < len(indices):
        time = index.times[indices[len(out)]]
        raise MediaError(f"unreadable: damaged at {time:.2f} s (frame {indices[len(out)]})", path)
    return np.stack(out)


def _count_frames(container: Any, stream: Any, indices: list[int], index: FrameIndex) -> Iterator[Any]:
    """The wanted frames of a file that can only be read from its start."""
    del index
    wanted = set(indices)
    for number, frame in enumerate(container.decode(stream)):
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
            container.seek(keyframe, stream=stream, backward=True)
            source = container.decode(stream)
        frame = _advance(source, pts)
        if frame is None or frame.pts != pts:
            # The container's seek landed behind the frame: decode from the start.
            container.seek(min(index.keyframes[0], index.pts[0]), stream=stream, backward=True)
            source = container.decode(stream)
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


def _rgb(frame: Any, size: Size | None, info: MediaInfo) -> Frames:
    """One frame as shown: uint8 `[H, W, 3]`."""
    from av.video.reformatter import Colorspace

    turned = info.rotation in (90, 270)
    options: dict[str, Any] = {"format": "rgb24", "interpolation": "BICUBIC", "threads": SCALING_THREADS}
    if size is not None:
        options["width"], options["height"] = size[::-1] if turned else size
    if info.assume_709:
        options["src_colorspace"] = Colorspace.ITU709
    image = frame.reformat(**options).to_ndarray()
    return np.ascontiguousarray(np.rot90(image, info.rotation // 90))
