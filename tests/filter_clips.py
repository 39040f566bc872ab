"""Real clips that filters must tell apart: moving pictures with detail, and what can be wrong with them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

RATE = 16000


def world(seed: int, height: int, width: int) -> np.ndarray:
    """A large picture `[h, w, 3]` with detail of every size, as nature has, and some outlines."""
    draw = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    falloff = 1 / np.maximum(np.hypot(fy, fx), 1 / max(height, width))
    planes = []
    for _ in range(3):
        noise = np.fft.rfft2(draw.normal(size=(height, width)))
        plane = np.fft.irfft2(noise * falloff, (height, width))
        planes.append(128 + 45 * (plane - plane.mean()) / plane.std())
    image = np.clip(np.stack(planes, axis=2), 0, 255).astype(np.uint8)
    for _ in range(width * height // 20_000):
        centre = draw.integers(0, width), draw.integers(0, height)
        colour = tuple(int(value) for value in draw.integers(0, 255, 3))
        cv2.ellipse(image, centre, tuple(draw.integers(8, 50, 2)), draw.integers(0, 180), 0, 360, colour, -1)
    return image


def pan(seed: int, count: int, height: int = 144, width: int = 256, speed: float = 4.0) -> np.ndarray:
    """Frames `[F, h, w, 3]` of a camera that moves `speed` pixels per frame over a world."""
    large = world(seed, height + 40, width + int(speed * count) + 2)
    starts = [(round(20 + 15 * np.sin(number / 9)), round(speed * number)) for number in range(count)]
    return np.stack([large[top : top + height, left : left + width] for top, left in starts])


def defocused(frames: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])


def with_text(frames: np.ndarray, text: str, scale: float, place: tuple[float, float]) -> np.ndarray:
    """White writing with a dark rim, as captions are burnt in; `place` is a share of width and height."""
    out = frames.copy()
    height, width = out.shape[1:3]
    at = round(place[0] * width), round(place[1] * height)
    for frame in out:
        cv2.putText(frame, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, (0, 0, 0), 4, cv2.LINE_AA)
        cv2.putText(frame, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return out


def with_logo(frames: np.ndarray, strength: float = 0.6) -> np.ndarray:
    """A half transparent ring with a bar in the upper right corner."""
    height, width = frames.shape[1:3]
    mark = np.zeros((height, width), np.float32)
    centre = round(width * 0.9), round(height * 0.14)
    cv2.circle(mark, centre, round(height * 0.08), 1.0, 3)
    cv2.line(mark, (centre[0] - 14, centre[1]), (centre[0] + 14, centre[1]), 1.0, 3)
    alpha = strength * mark[None, :, :, None]
    return np.clip(frames * (1 - alpha) + 255 * alpha, 0, 255).astype(np.uint8)


def clicks(times: list[float], seconds: float, shift: float = 0.0, rate: int = RATE) -> np.ndarray:
    """Stereo sound `[2, S]`: a short decaying beep at each of `times` plus `shift`."""
    wave = np.zeros(round(seconds * rate), np.float32)
    beep = np.sin(2 * np.pi * 1000 * np.arange(rate // 20) / rate) * np.exp(
        -np.arange(rate // 20) / (rate / 100)
    )
    for time in times:
        begin = round((time + shift) * rate)
        part = wave[begin : begin + len(beep)]
        part += 0.7 * beep[: len(part)]
    return np.stack([wave, wave])


def write(
    path: Path,
    frames: np.ndarray | None,
    fps: float = 24,
    wave: np.ndarray | None = None,
    crf: int = 20,
    rate: int = RATE,
) -> Path:
    """An MP4 of frames and sound (AAC), or the sound alone by the name's suffix."""
    with av.open(str(path), "w") as container:
        video = sound = None
        if frames is not None:
            video = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
            video.height, video.width = frames.shape[1:3]
            video.pix_fmt, video.options = "yuv420p", {"crf": str(crf), "preset": "veryfast"}
        if wave is not None:
            sound = container.add_stream("pcm_s16le" if path.suffix == ".wav" else "aac", rate=rate)
            sound.layout = "stereo"
        for image in [] if frames is None else frames:
            container.mux(
                video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"))
            )
        if video is not None:
            container.mux(video.encode(None))
        if wave is not None:
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave, np.float32), "fltp", "stereo")
            block.sample_rate = rate
            for part in av.AudioResampler(sound.format, "stereo", rate, 1024).resample(block):
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
    return path


def small_frames(path: Path) -> list[tuple[int, float, np.ndarray]]:
    """What the source pass shows of a film: number, time and picture at 256 pixels' width."""
    found = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            scale = min(1.0, 256 / frame.width)
            size = {"width": round(frame.width * scale), "height": max(1, round(frame.height * scale))}
            found.append((number, frame.time, frame.reformat(**size, format="rgb24").to_ndarray()))
    return found
