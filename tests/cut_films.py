"""Films with hard cuts whose frames show their own number, and whose sound clicks at stated frames."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from ltx_core.media.audio import read_audio
from ltx_core.media.decode import read_frames
from ltx_core.media.window import FrameWindow

WIDTH, HEIGHT, BITS = 160, 112, 9
RATE = 48000
PATIENCE = 0.012
"""Seconds that a click lasts."""
FORMS = ("constant", "variable", "ntsc", "long gop", "b-frames", "edit list", "matroska")
MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Film:
    """A written film: where its scenes begin, and when each of its frames is shown, by what it shows.

    `numbers` are those that the shown frames bear: an edit list hides the first of the stored ones.
    """

    path: Path
    cuts: tuple[int, ...]
    clicks: tuple[int, ...]
    numbers: tuple[int, ...]
    times: tuple[float, ...]


def make_film(folder: Path, form: str, lengths: tuple[int, ...], black: int = 0) -> Film:
    """A film of scenes of `lengths` frames, each followed by `black` black ones.

    A click lies where each scene begins and at its tenth frame.
    """
    pictures, starts = _pictures(lengths, black)
    rate = Fraction(30000, 1001) if form == "ntsc" else Fraction(25)
    count = len(pictures)
    steps = [Fraction(1, rate)] * count
    if form == "variable":
        steps = [Fraction(step, 1000) for step in ([40, 20, 100, 33] * count)[:count]]
    times = [sum(steps[:number], Fraction(0)) for number in range(count)]
    hidden = 14 if form == "edit list" else 0
    clicks = tuple(sorted({frame for start in starts for frame in (start, start + 10)} - set(range(hidden))))
    path = folder / f"{form.replace(' ', '_')}.{'mkv' if form == 'matroska' else 'mp4'}"
    sound = _clicks([float(times[frame] - times[hidden]) for frame in clicks], float(times[-1]) + 0.2)
    _write(path, pictures, times, sound, form)
    if hidden:
        _hide(path, hidden, rate)
    shown = tuple(range(hidden, count))
    origin = times[hidden]
    return Film(
        path,
        tuple(start - hidden for start in starts if start > hidden),
        tuple(frame - hidden for frame in clicks),
        shown,
        tuple(float(times[number] - origin) for number in shown),
    )


def _pictures(lengths: tuple[int, ...], black: int) -> tuple[NDArray[np.uint8], list[int]]:
    shots, starts, at = [], [], 0
    for number, length in enumerate(lengths):
        rng = np.random.default_rng(number)
        noise = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH + length, 3)), (0, 0), 6)
        level = (70, 185)[number % 2] + 5 * number
        texture = np.clip(level + 45 * noise / noise.std(), 0, 255).astype(np.uint8)
        shots += [texture[:, shift : shift + WIDTH] for shift in range(length)]
        shots += [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * black
        starts.append(at)
        at += length + black
    frames = np.stack(shots)
    for number, frame in enumerate(frames):
        if frame.any():  # black frames stay black
            for bit in range(BITS):  # one bit changes from frame to frame: detectors do not see it
                frame[:8, bit * 8 : (bit + 1) * 8] = 160 if (number ^ number >> 1) >> bit & 1 else 100
    return frames, starts


def shown_number(frame: NDArray[np.uint8]) -> int:
    """The number that a frame `[H, W, 3]` shows."""
    number = 0
    for bit in reversed(range(BITS)):
        number |= (int(frame[2:6, bit * 8 + 2 : bit * 8 + 6].mean() > 130) ^ (number >> (bit + 1) & 1)) << bit
    return number


def _clicks(at: list[float], seconds: float) -> NDArray[np.float32]:
    wave = np.zeros((2, round(seconds * RATE)), np.float32)
    length = round(PATIENCE * RATE)
    burst = 0.8 * np.sin(2 * np.pi * 2000 * np.arange(length) / RATE)
    for time in at:
        begin = round(time * RATE)
        wave[:, begin : begin + length] = burst[: wave.shape[1] - begin]
    return wave


def _write(
    path: Path, pictures: NDArray[np.uint8], times: list[Fraction], sound: NDArray[np.float32], form: str
) -> None:
    options = {"crf": "12", "preset": "veryfast", "bf": "3" if form in ("b-frames", "edit list") else "0"}
    options |= {"g": "250", "sc_threshold": "0"} if form == "long gop" else {"g": "24"}
    base = MILLISECOND if form == "variable" else Fraction(1, 90000)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(25))
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.options = options
        video.codec_context.time_base = base
        audio = container.add_stream("aac", rate=RATE, layout="stereo")
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(time / base), base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for begin in range(0, sound.shape[1], 1024):
            block = np.ascontiguousarray(sound[:, begin : begin + 1024])
            samples = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            samples.sample_rate, samples.pts, samples.time_base = RATE, begin, Fraction(1, RATE)
            container.mux(audio.encode(samples))
        container.mux(audio.encode(None))


def _hide(path: Path, frames: int, rate: Fraction) -> None:
    """Have the file's edit list begin the pictures `frames` later; the sound stays as it is."""
    data = bytearray(path.read_bytes())
    track = data.index(b"vide") - 400
    scale = int.from_bytes(data[data.index(b"mdhd", data.index(b"tkhd")) + 16 :][:4], "big")
    del track
    edit = data.index(b"elst")
    start = int.from_bytes(data[edit + 16 : edit + 20], "big")
    data[edit + 16 : edit + 20] = (start + round(frames / rate * scale)).to_bytes(4, "big")
    path.write_bytes(data)


def check_clip(
    film: Film, start_s: float, frames: tuple[int, int], fps: float, count: int, allowed_s: float
) -> int:
    """Assert that a window shows the frames it should, none of another scene, and that its sound is in step.

    Args:
        film: where it is cut from.
        start_s: when it begins.
        frames: its first frame and one past its last.
        fps: frames per second that it is shown at.
        count: how many.
        allowed_s: seconds by which a click may miss its frame.

    Returns:
        how many clicks were heard.
    """
    assert abs(start_s - film.times[frames[0]]) < 2e-3
    window = FrameWindow(start_s, fps, count, *frames)
    wanted = window.frames(film.times)
    found = [shown_number(frame) for frame in read_frames(film.path, wanted)]
    assert found == [film.numbers[index] for index in wanted]
    assert found[0] == film.numbers[frames[0]]
    wave = read_audio(film.path, start_s, count / fps, RATE)
    assert wave is not None
    inside = [frame for frame in film.clicks if frames[0] <= frame < frames[1]]
    loud = np.flatnonzero(np.abs(wave).max(axis=0) > 0.3) / RATE
    heard = 0
    for frame in inside:
        expected = film.times[frame] - film.times[frames[0]]
        if expected > count / fps - 2 * PATIENCE:
            continue
        assert np.abs(loud - expected).min() <= allowed_s, f"click of frame {frame}"
        heard += 1
    starts = loud[np.flatnonzero(np.diff(loud, prepend=-1.0) > 5 * PATIENCE)]
    expected_s = [film.times[frame] - film.times[frames[0]] for frame in inside]
    assert all(min(abs(start - time) for time in expected_s) <= allowed_s for start in starts)
    return heard
