"""What a media file holds, read from headers and packets; one frame is decoded (turn, colours, fields)."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from ltx_core.media.container import FrameIndex, check_file, frame_index, open_media
from ltx_core.media.errors import MediaError
from ltx_core.media.pictures import MAX_PIXELS, TOO_LARGE, PictureFacts, look
from ltx_core.media.streams import checked_audio, checked_video, decoded, rate_of

HDR_TRANSFERS: dict[int, Literal["PQ", "HLG"]] = {16: "PQ", 18: "HLG"}
"""Transfer functions (ISO 23091) whose frames come out washed out in 8 bits."""
UNSPECIFIED_COLOUR = 2
HD_HEIGHT = 720
"""From this height on, a video that does not state its colour matrix is taken as BT.709 (as players do)."""
PROGRESSIVE = (0, 1)
"""Field orders that say nothing, or that there are none."""
UNEVEN = 0.1
"""Share of the usual step by which another step between two frames differs where the rate varies."""
PILLOW = "pillow/"
"""What the container's name of a picture begins with that Pillow reads."""


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds.

    Attributes:
        kind: video, audio (no pictures) or image (one still picture).
        width, height: pixels as shown: after rotation, with square pixels; 0 for audio.
        fps: average frames per second; 0 for audio and images.
        frames: frames that a player shows, counted from the packets.
        duration: seconds, of the pictures where there are any.
        container: FFmpeg's name of the file format; `pillow/` and Pillow's for a picture.
        rotation: degrees counterclockwise that a player turns the stored frames by.
        square: False when the stored pixels are not square.
        assume_709: the colour matrix is not stated and the size says BT.709.
        hidden: frames that an edit list hides.
        seekable: False when frames can only be counted from the file's start (packets without times).
        video_start, audio_start: time of the first frame and of the first sample, seconds.
        audio_duration: seconds of sound that the header states; 0: not stated.
        audio_tracks, video_tracks: how many there are; the default ones are used.
        variable: whether the steps between frames differ.
        hdr: transfer function of a high dynamic range, or "".
        depth: bits of a colour's value.
        interlaced: whether the frames are made of fields.
        alpha: whether it has transparency.
        intact: False when packets are marked as damaged, or are not as many as the header says.
    """

    kind: Literal["video", "audio", "image"]
    width: int = 0
    height: int = 0
    fps: float = 0.0
    frames: int = 0
    duration: float = 0.0
    container: str = ""
    video_codec: str = ""
    has_audio: bool = False
    audio_rate: int = 0
    audio_channels: int = 0
    rotation: int = 0
    square: bool = True
    assume_709: bool = False
    hidden: int = 0
    seekable: bool = True
    video_start: float = 0.0
    audio_start: float = 0.0
    audio_duration: float = 0.0
    audio_tracks: int = 0
    video_tracks: int = 0
    variable: bool = False
    hdr: Literal["", "PQ", "HLG"] = ""
    depth: int = 8
    interlaced: bool = False
    alpha: bool = False
    intact: bool = True

    @property
    def pillow(self) -> bool:
        """Whether Pillow reads it."""
        return self.container.startswith(PILLOW)


def probe(path: Path | str) -> MediaInfo:
    """What `path` holds.

    Raises:
        MediaError: missing, empty, unreadable, truncated, too large, or without any stream.
    """
    path = Path(path)
    check_file(path)
    picture = look(path)
    if picture is not None:
        return _picture_info(picture, frame_index(path))
    with open_media(path) as container:
        video, sound = checked_video(container, path), checked_audio(container, path)
        if video is None and sound is None:
            raise MediaError("no video stream", path)
        audio = _audio_fields(container, sound)
        if video is None:
            return MediaInfo("audio", duration=audio["audio_duration"], **audio)
        fields = _video_fields(container, video, path)
        still = container.format.name.endswith("_pipe")
    index = frame_index(path)
    if still and len(index.times) == 1:
        return MediaInfo("image", **{**fields, **audio, "fps": 0.0, "frames": 1})
    return MediaInfo("video", **{**fields, **audio, **_time_fields(index)})


def _picture_info(picture: PictureFacts, index: FrameIndex) -> MediaInfo:
    fields: dict[str, Any] = {
        "width": picture.width,
        "height": picture.height,
        "container": PILLOW + picture.format.lower(),
        "video_codec": picture.format.lower(),
        "alpha": picture.alpha,
        "video_tracks": 1,
    }
    if picture.still:
        return MediaInfo("image", frames=1, seekable=False, **fields)
    times = _time_fields(index)
    return MediaInfo("video", **fields, **times, fps=len(index.times) / times["duration"])


def _audio_fields(container: Any, stream: Any | None) -> dict[str, Any]:
    if stream is None:
        return {"has_audio": False}
    start = float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0
    return {
        "has_audio": True,
        "audio_rate": int(stream.codec_context.sample_rate),
        "audio_channels": int(stream.codec_context.channels),
        "audio_start": start,
        "audio_duration": _audio_seconds(container, stream),
        "audio_tracks": len(container.streams.audio),
    }


def _audio_seconds(container: Any, stream: Any) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1e6


def _video_fields(container: Any, stream: Any, path: Path) -> dict[str, Any]:
    codec = stream.codec_context
    frame = next(decoded(container, stream), None)
    if frame is None:
        raise MediaError("no frames in the video stream", path)
    aspect = stream.sample_aspect_ratio or 1
    width, height = max(1, round(frame.width * aspect)), frame.height
    if width * height > MAX_PIXELS:
        raise MediaError(TOO_LARGE.format(f"{width}x{height}"), path)
    rotation = round(frame.rotation / 90) * 90 % 360
    if rotation in (90, 270):
        width, height = height, width
    parts = frame.format.components
    return {
        "width": width,
        "height": height,
        "fps": rate_of(stream),
        "container": container.format.name,
        "video_codec": codec.name,
        "rotation": rotation,
        "square": aspect == 1,
        "assume_709": int(frame.colorspace) == UNSPECIFIED_COLOUR and frame.height >= HD_HEIGHT,
        "hdr": HDR_TRANSFERS.get(int(codec.color_trc)) or HDR_TRANSFERS.get(int(frame.color_trc), ""),
        "depth": max((part.bits for part in parts), default=8),
        "interlaced": bool(frame.interlaced_frame) or int(codec.field_order) not in PROGRESSIVE,
        "alpha": any(part.is_alpha for part in parts),
        "video_tracks": len(container.streams.video),
    }


def _time_fields(index: FrameIndex) -> dict[str, Any]:
    return {
        "frames": len(index.times),
        "duration": index.end - index.times[0],
        "hidden": index.hidden,
        "intact": index.intact,
        "seekable": index.seekable,
        "video_start": index.times[0],
        "variable": _varies(index.times),
    }


def _varies(times: tuple[float, ...]) -> bool:
    """Whether a step between two frames is not the usual one; rounding to milliseconds does not count."""
    steps = [after - before for before, after in pairwise(times)]
    if not steps:
        return False
    usual = statistics.median(steps)
    return any(abs(step - usual) > max(UNEVEN * usual, 1.5e-3) for step in steps)
