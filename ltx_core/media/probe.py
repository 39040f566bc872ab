"""What a media file holds, read from headers and packets; one frame is decoded (for its rotation)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ltx_core.media.container import FrameIndex, audio_stream, frame_index, open_media, video_stream
from ltx_core.media.errors import MediaError

HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfer functions (ISO 23091) whose frames come out washed out in 8 bits."""
UNSPECIFIED_COLOUR = 2
HD_HEIGHT = 720
"""From this height on, a video that does not state its colour matrix is taken as BT.709 (as players do)."""


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds.

    Attributes:
        kind: video, audio (no pictures) or image (one still picture).
        width, height: pixels as shown: after rotation, with square pixels; 0 for audio.
        fps: average frames per second; 0 for audio and images.
        frames: frames that a player shows, counted from the packets.
        duration: seconds, of the pictures where there are any.
        container: FFmpeg's name of the file format.
        rotation: degrees counterclockwise that a player turns the stored frames by.
        square: False when the stored pixels are not square.
        assume_709: the colour matrix is not stated and the size says BT.709.
        hidden: frames that an edit list hides.
        seekable: False when frames can only be counted from the file's start (packets without times).
        video_start, audio_start: time of the first frame and of the first sample, seconds.
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


def probe(path: Path | str) -> MediaInfo:
    """What `path` holds.

    Raises:
        MediaError: missing, empty, unreadable, truncated, without any stream, or HDR (which 8-bit frames
            cannot show).
    """
    with open_media(path) as container:
        video, sound = video_stream(container), audio_stream(container)
        if video is None and sound is None:
            raise MediaError("no video stream", path)
        audio = _audio_fields(sound)
        if video is None:
            return MediaInfo("audio", duration=_audio_seconds(container, sound), **audio)
        fields = _video_fields(container, video, path)
        still = container.format.name.endswith("_pipe") or container.format.name == "image2"
    index = frame_index(path)
    if still and len(index.times) == 1:
        return MediaInfo("image", **{**fields, **audio, "fps": 0.0, "frames": 1})
    return MediaInfo("video", **fields, **audio, **_time_fields(index))


def _audio_fields(stream: Any | None) -> dict[str, Any]:
    if stream is None:
        return {"has_audio": False}
    start = float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0
    return {
        "has_audio": True,
        "audio_rate": int(stream.codec_context.sample_rate),
        "audio_channels": int(stream.codec_context.channels),
        "audio_start": start,
    }


def _audio_seconds(container: Any, stream: Any) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1e6


def _video_fields(container: Any, stream: Any, path: Path | str) -> dict[str, Any]:
    codec = stream.codec_context
    if codec is None:
        raise MediaError("unsupported codec", path)
    transfer = HDR_TRANSFERS.get(int(codec.color_trc))
    if transfer:
        raise MediaError(f"HDR video ({transfer}): convert it to SDR (BT.709) first", path)
    frame = next(iter(container.decode(stream)), None)
    if frame is None:
        raise MediaError("no frames in the video stream", path)
    aspect = stream.sample_aspect_ratio or 1
    width, height = round(frame.width * aspect), frame.height
    rotation = round(frame.rotation / 90) * 90 % 360
    if rotation in (90, 270):
        width, height = height, width
    return {
        "width": width,
        "height": height,
        "fps": float(stream.average_rate or stream.guessed_rate or 0),
        "container": container.format.name,
        "video_codec": codec.name,
        "rotation": rotation,
        "square": aspect == 1,
        "assume_709": int(frame.colorspace) == UNSPECIFIED_COLOUR and frame.height >= HD_HEIGHT,
    }


def _time_fields(index: FrameIndex) -> dict[str, Any]:
    return {
        "frames": len(index.times),
        "duration": index.end - index.times[0],
        "hidden": index.hidden,
        "seekable": index.seekable,
        "video_start": index.times[0],
    }
