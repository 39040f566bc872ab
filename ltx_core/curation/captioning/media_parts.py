"""A clip as bytes that a server takes: JPEG frames, an MP4 of constant rate, a mono WAV."""

from __future__ import annotations

import base64
import io
import wave as wavefile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.audio import is_silent

Frames = NDArray[np.uint8]
Wave = NDArray[np.float32]
SOUND_RATE = 16000
"""Hertz at which captioners hear."""
JPEG_QUALITY = 92


@dataclass(frozen=True)
class Shown:
    """What a captioner is given of a clip.

    Attributes:
        frames: uint8 `[F, H, W, 3]`, RGB; None for a sound alone.
        fps: frames per second.
        wave: sound `[2, S]`, or None.
        rate: samples per second of `wave`.
        prompt: what is asked.
        name: of the clip, for messages.
    """

    frames: Frames | None
    fps: float
    wave: Wave | None
    rate: int
    prompt: str
    name: str = ""

    @property
    def seconds(self) -> float:
        """Its duration."""
        if self.frames is not None:
            return len(self.frames) / self.fps
        return 0.0 if self.wave is None else self.wave.shape[1] / self.rate

    def heard(self, wanted: bool) -> Wave | None:
        """The sound to send: where it is wanted or all there is, and no silence."""
        if self.wave is None or not (wanted or self.frames is None) or is_silent(self.wave):
            return None
        return self.wave


def smaller(frames: Frames, longest: int | None) -> Frames:
    """Frames whose longer side is at most `longest` pixels, both sides even as a video needs them."""
    height, width = frames.shape[1:3]
    if longest is None or max(height, width) <= longest:
        return frames
    import cv2

    scale = longest / max(height, width)
    size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]).astype(
        np.uint8
    )


def jpegs(frames: Frames, count: int) -> list[bytes]:
    """At most `count` evenly spread frames."""
    from PIL import Image

    from ltx_core.media.sheet import pick_frames

    found = []
    for frame in pick_frames(frames, count):
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(frame)).save(out, "JPEG", quality=JPEG_QUALITY)
        found.append(out.getvalue())
    return found


def mp4(frames: Frames, fps: float, wave: Wave | None = None, rate: int = 0) -> bytes:
    """A video of constant rate, with its sound where one is given."""
    from ltx_core.media.write import encode_video

    return encode_video(frames, fps, wave, rate)


def mono(wave: Wave, rate: int) -> Wave:
    """`[S]` at `SOUND_RATE`: what models hear."""
    import torch

    from ltx_core.media.resample import resample

    found = resample(torch.from_numpy(np.ascontiguousarray(wave)).mean(0, keepdim=True), rate, SOUND_RATE)
    return np.asarray(found.numpy()[0], np.float32)


def wav(wave: Wave, rate: int) -> bytes:
    """16-bit mono WAV at `SOUND_RATE`."""
    samples = np.round(np.clip(mono(wave, rate), -1, 1) * 32767).astype("<i2")
    out = io.BytesIO()
    with wavefile.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def base64_text(content: bytes) -> str:
    """As JSON carries it."""
    return base64.b64encode(content).decode("ascii")


def data_uri(kind: str, content: bytes) -> str:
    """A URL that holds its content."""
    return f"data:{kind};base64,{base64_text(content)}"
