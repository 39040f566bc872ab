"""Films and sounds of every kind by PyAV alone: codecs, times, tags, tracks."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from numpy.typing import NDArray

from data.make.torture.case import FRAMES, RATE, picture, tone

os.environ.setdefault("SVT_LOG", "0")  # else the AV1 encoder tells of itself
X264 = {"preset": "ultrafast", "threads": "1"}
X265 = "log-level=none:pools=1:frame-threads=1"


@dataclass(frozen=True)
class Film:
    """What a film is made of.

    Attributes:
        codec, pix_fmt, options: of the encoder.
        frames: how many.
        rate: frames per second, where `pts` does not say when they are shown.
        pts: presentation times in thousandths of a second.
        size: width and height.
        interlaced: whether it is coded as fields.
        tags: attributes of the codec: colours, aspect.
        form: container, where the name does not say.
        container: its options.
        sounds: waves `[C, S]`, one per track.
        sound_codec, sound_rate, sound_layout, sound_start: of the sounds; the start in seconds.
    """

    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    frames: int = FRAMES
    rate: Fraction = Fraction(RATE)
    pts: Sequence[int] | None = None
    size: tuple[int, int] = (96, 64)
    interlaced: bool = False
    tags: dict[str, Any] = field(default_factory=dict)
    form: str | None = None
    container: dict[str, str] = field(default_factory=dict)
    sounds: tuple[NDArray[np.float32], ...] = ()
    sound_codec: str = "aac"
    sound_rate: int = 16000
    sound_layout: str = "stereo"
    sound_start: float = 0.0
    tracks: int = 1

    def __call__(self, path: Path) -> None:
        """Write it."""
        with av.open(f"file:{path}", "w", format=self.form, options=self.container) as container:
            videos = [self._video(container) for _ in range(self.tracks)]
            audios = [self._audio(container) for _ in self.sounds]
            for stream in (*videos, *audios):
                stream.codec_context.open()
            for track, stream in enumerate(videos):
                self._pictures(container, stream, track * 100)
            for stream, wave in zip(audios, self.sounds, strict=True):
                _sound(container, stream, wave, self.sound_rate, self.sound_layout, self.sound_start)

    def _video(self, container: Any) -> Any:
        stream = container.add_stream(self.codec, rate=self.rate)
        stream.width, stream.height = self.size
        stream.pix_fmt = self.pix_fmt
        codec = stream.codec_context
        codec.time_base = Fraction(1, 1000) if self.pts is not None else 1 / self.rate
        codec.options = {**(X264 if self.codec == "libx264" else {}), **self.options}
        codec.thread_count = 1
        if self.interlaced:
            codec.flags |= Flags.interlaced_dct | Flags.interlaced_me
        for name, value in self.tags.items():
            setattr(codec, name, value)
        return stream

    def _audio(self, container: Any) -> Any:
        return container.add_stream(self.sound_codec, rate=self.sound_rate, layout=self.sound_layout)

    def _pictures(self, container: Any, stream: Any, first: int) -> None:
        base = stream.codec_context.time_base
        for number in range(self.frames):
            frame = av.VideoFrame.from_ndarray(picture(first + number, *self.size), format="rgb24")
            frame = frame.reformat(format=self.pix_fmt, threads=1)
            frame.pts = number if self.pts is None else self.pts[number]
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@dataclass(frozen=True)
class Sound:
    """A file of sound alone."""

    codec: str
    seconds: float = 2.0
    rate: int = 16000
    cover: bool = False
    form: str | None = None

    def __call__(self, path: Path) -> None:
        """Write it."""
        with av.open(f"file:{path}", "w", format=self.form) as container:
            stream = container.add_stream(self.codec, rate=self.rate, layout="stereo")
            stream.codec_context.open()
            cover = _cover(container) if self.cover else None
            if cover is not None:
                packet = av.Packet(still_bytes("PNG"))
                packet.stream, packet.pts, packet.dts = cover, 0, 0
                packet.is_keyframe = True
                container.mux(packet)
            _sound(container, stream, tone(self.seconds, self.rate), self.rate, "stereo", 0.0)


def still_bytes(form: str, number: int = 5, size: tuple[int, int] = (96, 64), **options: Any) -> bytes:
    """A numbered picture as a file of Pillow's format `form`."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture(number, *size)).save(out, form, **options)
    return out.getvalue()


def by_reference(path: Path, count: int, seconds: float, size: tuple[int, int] = (64, 64)) -> None:
    """A film of one colour that holds one encoded frame `count` times, each shown for `seconds`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.options = {**X264, "x264-params": "keyint=1"}
        stream.codec_context.time_base = Fraction(1, 1000)
        image = np.full((size[1], size[0], 3), (40, 90, 150), np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 1000)
        coded = bytes([*stream.encode(frame), *stream.encode(None)][0])
        for number in range(count):
            packet = av.Packet(coded)
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = round(1000 * number * seconds)
            packet.duration = round(1000 * seconds)
            packet.is_keyframe = True
            container.mux(packet)


def turned(film: Film, degrees: int) -> Any:
    """Writes a film with a turn by `degrees` clockwise in its track header, as phones do."""

    def make(path: Path) -> None:
        film(path)
        data = bytearray(path.read_bytes())
        one = 0x10000
        a, b, c, d = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
        place = data.index(b"tkhd") + 44
        data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
        path.write_bytes(data)

    return make


def _cover(container: Any) -> Any:
    stream = container.add_stream("png", rate=1)
    stream.width, stream.height, stream.pix_fmt = 96, 64, "rgb24"
    stream.disposition = av.stream.Disposition.attached_pic
    return stream


def _sound(
    container: Any, stream: Any, wave: NDArray[np.float32], rate: int, layout: str, start: float
) -> None:
    codec = stream.codec_context
    block = codec.frame_size or 1024
    resampler = av.AudioResampler(codec.format.name, layout, rate)
    for begin in range(0, wave.shape[1], block):
        samples = np.ascontiguousarray(wave[:, begin : begin + block].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout=layout)
        frame.rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        for changed in resampler.resample(frame):
            changed.pts, changed.time_base = begin + round(start * rate), Fraction(1, rate)
            container.mux(stream.encode(changed))
    container.mux(stream.encode(None))
