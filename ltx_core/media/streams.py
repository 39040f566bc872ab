"""The streams of an open file: which are used, what they may be, and their packets and frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from ltx_core.media.errors import MediaError
from ltx_core.media.pictures import MAX_PIXELS, TOO_LARGE

FALLBACK_FPS = 25.0
MOST_FPS = 10_000
"""Stated rates from here on are a container's clock, not frames per second."""
MOST_AUDIO_RATE = 768_000
MOST_CHANNELS = 64


def video_stream(container: Any) -> Any:
    """The video that a player shows (the default one, else the first), or None; a cover is no video."""
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    return _preferred(streams)


def audio_stream(container: Any) -> Any:
    """The sound that a player plays, or None: the default track, else the first, whose codec is known."""
    return _preferred([stream for stream in container.streams.audio if stream.codec_context is not None])


def _preferred(streams: list[Any]) -> Any:
    default = av.stream.Disposition.default
    chosen = next((stream for stream in streams if stream.disposition & default), None)
    return chosen or (streams[0] if streams else None)


def checked_audio(container: Any, path: Path | str) -> Any:
    """The audio stream, or None.

    Raises:
        MediaError: when its rate or number of channels is nonsense.
    """
    stream = audio_stream(container)
    if stream is None:
        return None
    rate, channels = int(stream.codec_context.sample_rate), int(stream.codec_context.channels)
    if not (0 < rate <= MOST_AUDIO_RATE and 0 < channels <= MOST_CHANNELS):
        raise MediaError(f"unreadable: sound of {channels} channels at {rate} samples per second", path)
    return stream


def checked_video(container: Any, path: Path | str) -> Any:
    """The video stream, or None.

    Raises:
        MediaError: when its codec is unknown or its frames are larger than memory is kept for.
    """
    stream = video_stream(container)
    if stream is None:
        return None
    codec = stream.codec_context
    if codec is None:
        raise MediaError("unsupported codec", path)
    if codec.width * codec.height > MAX_PIXELS:
        raise MediaError(TOO_LARGE.format(f"{codec.width}x{codec.height}"), path)
    codec.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def rate_of(stream: Any) -> float:
    """Frames per second that a video stream states, or `FALLBACK_FPS`."""
    rate = float(stream.average_rate or stream.guessed_rate or FALLBACK_FPS)
    return rate if 0 < rate < MOST_FPS else FALLBACK_FPS


def packets(container: Any, stream: Any) -> Iterator[Any]:
    """The packets of a stream, from where the container stands.

    Raises:
        MediaError: when the file's list of streams changes while it is read.
    """
    try:
        yield from container.demux(stream)
    except IndexError as error:
        raise MediaError("unreadable: damaged list of streams") from error


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames from where the container stands, in order; packets that cannot be decoded are passed over."""
    for packet in packets(container, stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        yield from frames


def frames_of(container: Any, stream: Any) -> Iterator[Any]:
    """Frames from where the container stands; a packet that cannot be decoded is FFmpeg's error."""
    for packet in packets(container, stream):
        yield from packet.decode()
