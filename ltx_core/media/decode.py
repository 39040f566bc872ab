"""Read single frames of a video, exactly, as RGB.

Design choices
- decord reads plain files, unless many large frames are wanted: its own reader per call, sorted indices,
  closed at once (it decodes ahead without bound, and a reader that two threads share hangs).
- PyAV reads what decord gets wrong or cannot read: AV1, AVI, GIF, edit lists, pixels that are not square,
  high-definition video that does not state its colours, more than 8 bits, high dynamic range, fields, alpha,
  several videos in one file, damaged files (decord believes any header, and ends the process where memory for
  it is not there), and any file on which decord fails. Pillow reads pictures.
- All give the frame that a player shows: turned by the file's rotation, with square pixels, of one size.
- Frames come one by one, so that no more than the wanted ones and a few in flight are in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.colour import picture_of
from ltx_core.media.container import FrameIndex, frame_index, open_media
from ltx_core.media.errors import MediaError
from ltx_core.media.pictures import moving_frames, read_picture
from ltx_core.media.probe import MediaInfo, probe
from ltx_core.media.seek import wanted_frames
from ltx_core.media.streams import video_stream
from ltx_core.media.treatment import PLAIN, Treatment
from ltx_core.media.window import nearest_frames

log = logging.getLogger(__name__)
DECORD_CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9"})
DECORD_CONTAINERS = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})
"""In others (AVI with B-frames, for one) decord returns wrong frames without a word."""
DECORD_BYTES = 256 << 20
"""Frames that decord hands over at once may take so much memory; more are read one by one by PyAV. Asked for
in parts, decord would go on decoding in between, and fill the memory with the rest of the film."""
Frames = NDArray[np.uint8]
Size = tuple[int, int]
Change = Callable[[Frames], Frames]


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


def read_frames(
    path: Path | str,
    at: Sequence[int] | Sequence[float],
    size: Size | None = None,
    treatment: Treatment = PLAIN,
    change: Change | None = None,
) -> Frames:
    """Frames of a video in the order asked for, uint8 `[F, H, W, 3]`, RGB.

    Args:
        path: the file.
        at: frame indices (all int) or times in seconds (any float), for which the nearest frame is taken.
        size: (width, height) to resize to while decoding, whatever the aspect; None keeps the size.
        treatment: of films that are not plain SDR frames.
        change: what is done to each frame `[H, W, 3]` as it comes (a crop, a fit), so that only its result is
            kept in memory.

    Raises:
        MediaError: the file or one of the frames cannot be read, or the treatment refuses it.
        ValueError: no frame asked for, or an index out of range.
    """
    path = Path(path)
    index = frame_index(path)
    wanted = _indices(index, at)
    unique = sorted(set(wanted))
    frames = _collected(_frames(path, unique, size, index, treatment), len(unique), change)
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
        and info.intact
        and info.video_start >= 0
        and info.square
        and not info.assume_709
        and info.depth == 8
        and info.video_tracks == 1
        and not (info.hdr or info.interlaced or info.alpha)
    )


def file_info(path: Path) -> MediaInfo:
    """What `probe` finds, remembered as long as the file's time of change stays."""
    return _probe(str(path), path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _probe(path: str, changed: int) -> MediaInfo:
    del changed
    return probe(path)


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


def _frames(
    path: Path, indices: list[int], size: Size | None, index: FrameIndex, treatment: Treatment
) -> Iterator[Frames]:
    """The frames `indices` (rising) one by one, by whichever library reads this file right."""
    info = file_info(path)
    reason = treatment.refusal(info)
    if reason:
        raise MediaError(reason, path)
    width, height = size or (info.width, info.height)
    if is_plain(info) and 3 * width * height * len(indices) <= DECORD_BYTES:
        frames = _by_decord(path, indices, size, index)
        if frames is not None:
            return iter(frames)
    if info.pillow:
        return _by_pillow(path, indices, size, info)
    return _by_pyav(path, indices, size, index, treatment)


def _collected(frames: Iterator[Frames], count: int, change: Change | None) -> Frames:
    """All frames in one array `[F, H, W, 3]`, each written to its place as it comes."""
    out: Frames | None = None
    for number, frame in enumerate(frames):
        changed = frame if change is None else change(frame)
        if out is None:
            out = np.empty((count, *changed.shape), np.uint8)
        out[number] = changed
    assert out is not None
    return out


def _by_decord(path: Path, indices: list[int], size: Size | None, index: FrameIndex) -> Frames | None:
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
    except (decord.DECORDError, RuntimeError, UnicodeEncodeError) as error:  # the last: names not of UTF-8
        log.debug("%s: decord failed (%s); reading with PyAV", path, str(error).splitlines()[0])
        return None
    finally:
        del reader


def _by_pillow(path: Path, indices: list[int], size: Size | None, info: MediaInfo) -> Iterator[Frames]:
    """Pictures; the frames of a moving one are read in order."""
    if info.kind == "image":
        yield read_picture(path, size)
        return
    wanted = set(indices)
    with closing(moving_frames(path, size)) as frames:
        for number, frame in enumerate(frames):
            if number in wanted:
                yield frame
            if number >= indices[-1]:
                return
    raise MediaError("unreadable: fewer frames than when it was probed", path)


def _by_pyav(
    path: Path, indices: list[int], size: Size | None, index: FrameIndex, treatment: Treatment
) -> Iterator[Frames]:
    info = file_info(path)
    whole = info.interlaced and treatment.interlaced == "deinterlace"
    done = 0
    with open_media(path) as container:
        stream = video_stream(container)
        stream.codec_context.thread_count = 1
        for frame in wanted_frames(container, stream, indices, index, whole):
            if frame.is_corrupt:
                break
            yield picture_of(frame, info, size)
            done += 1
    if done < len(indices):
        time = index.times[indices[done]]
        raise MediaError(f"unreadable: damaged at {time:.2f} s (frame {indices[done]})", path)
