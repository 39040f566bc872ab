"""Write videos with sound as MP4. Equal input gives equal bytes: one thread, no version tags, no date.

Colours are written as BT.709 and tagged so, which every player and decoder reads right at any size.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.container import SCALING_THREADS
from ltx_core.media.errors import MediaError

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
AAC_BITS_PER_SECOND = 128_000
X264 = {"preset": "medium", "threads": "1", "x264-params": "mbtree=0"}
"""Without mbtree=0, x264 reads memory that it never wrote, and the bytes differ from run to run."""
BT709 = 1
LIMITED_RANGE = 1
NEAR_LOSSLESS = 4
"""x264 rate factor for references: no visible loss, and still plays everywhere."""


@dataclass(frozen=True)
class Sound:
    """Samples `[2, S]` float32 in [-1, 1] at `rate` per second."""

    wave: NDArray[np.float32]
    rate: int


def write_video(
    path: Path | str,
    frames: NDArray[np.uint8],
    fps: Fraction | float,
    audio: NDArray[np.float32] | None = None,
    rate: int = 0,
    crf: int = 18,
    lossless: bool = False,
) -> None:
    """Write an MP4 so that `path` either holds the whole file or is left as it was.

    Args:
        path: where to; the folder is made when it is missing.
        frames: uint8 `[F, H, W, 3]`, RGB.
        fps: frames per second, exact as a Fraction.
        audio: float32 `[2, samples]` in [-1, 1], or None for a silent file.
        rate: samples per second of `audio`; one of `AAC_RATES`.
        crf: x264's rate factor, 0 to 51; lower is better.
        lossless: keep every RGB value; plays in fewer programs.

    Raises:
        MediaError: the encoder refuses.
        ValueError: frames or sound have the wrong shape, type or rate.
    """
    _check(frames, fps)
    size = frames.shape[2], frames.shape[1]
    _write(Path(path), frames, size, fps, _sound(audio, rate), {"crf": crf, "lossless": lossless})


def write_frames(
    path: Path | str,
    frames: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    fps: Fraction | float,
    audio: NDArray[np.float32] | None = None,
    rate: int = 0,
    crf: int = 18,
) -> None:
    """The same of frames `[H, W, 3]` of `size` (width, height) that come one by one: none of them is kept."""
    _write(Path(path), frames, size, fps, _sound(audio, rate), {"crf": crf, "lossless": False})


def _write(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    fps: Fraction | float,
    sound: Sound | None,
    quality: dict[str, int],
) -> None:
    """Encode into a file beside `path`, which then takes its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        _encode(temporary, frames, size, fps, sound, quality)
        temporary.chmod(0o644)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def encode_video(
    frames: NDArray[np.uint8],
    fps: Fraction | float,
    audio: NDArray[np.float32] | None = None,
    rate: int = 0,
    crf: int = 18,
    lossless: bool = False,
) -> bytes:
    """The bytes that `write_video` writes (the MP4 index in front needs a real file on the way)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        _check(frames, fps)
        size = frames.shape[2], frames.shape[1]
        _encode(path, frames, size, fps, _sound(audio, rate), {"crf": crf, "lossless": lossless})
        return path.read_bytes()


def _check(frames: NDArray[np.uint8], fps: Fraction | float) -> None:
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not frames.size:
        raise ValueError(f"frames are {frames.dtype} {frames.shape}; they must be uint8 [F, H, W, 3], F >= 1")
    if fps <= 0:
        raise ValueError(f"{fps} frames per second; the rate must be positive")


def _sound(audio: NDArray[np.float32] | None, rate: int) -> Sound | None:
    if audio is None:
        return None
    sound = Sound(np.asarray(audio, np.float32), rate)
    if sound.wave.ndim != 2 or sound.wave.shape[0] != 2:
        raise ValueError(f"sound is {sound.wave.shape}; it must be [2, samples]: make it stereo first")
    if sound.rate not in AAC_RATES:
        raise ValueError(
            f"sound at {sound.rate} samples per second; AAC takes {', '.join(map(str, AAC_RATES))}: resample"
        )
    return sound


def _encode(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    fps: Fraction | float,
    sound: Sound | None,
    quality: dict[str, int],
) -> None:
    import av

    speed = fps if isinstance(fps, Fraction) else Fraction(fps).limit_denominator(1001)
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    try:
        with av.open(str(path), "w", format="mp4", options=options) as container:
            video = _video_stream(container, size, speed, quality)
            audio = _audio_stream(container, sound) if sound is not None else None
            done = 0
            for number, image in enumerate(frames):
                container.mux(video.encode(_picture(image, number, video.pix_fmt, 1 / speed)))
                if sound is not None and audio is not None:
                    until = round(float((number + 1) / speed) * sound.rate)
                    done = _mux_sound(container, audio, sound, done, until)
            container.mux(video.encode(None))
            if sound is not None and audio is not None:
                _mux_sound(container, audio, sound, done, sound.wave.shape[1], last=True)
                container.mux(audio.encode(None))
    except av.error.FFmpegError as error:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise MediaError(f"cannot encode: {error.strerror or error}", path) from error


def _video_stream(container: Any, size: tuple[int, int], fps: Fraction, quality: dict[str, int]) -> Any:
    from av.codec.context import Flags

    width, height = size
    lossless = bool(quality["lossless"])
    stream = container.add_stream("libx264rgb" if lossless else "libx264", rate=fps)
    stream.width, stream.height = width, height
    stream.time_base = 1 / fps
    context = stream.codec_context
    if lossless:
        stream.pix_fmt = "rgb24"
        context.options = {"qp": "0", **X264}
    else:
        # Half-size colour planes need even sides.
        stream.pix_fmt = "yuv420p" if width % 2 == height % 2 == 0 else "yuv444p"
        context.options = {"crf": str(quality["crf"]), **X264}
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
    context.thread_count = 1
    context.flags |= Flags.bitexact
    return stream


def _audio_stream(container: Any, sound: Sound) -> Any:
    from av.codec.context import Flags

    stream = container.add_stream("aac", rate=sound.rate, layout="stereo")
    stream.codec_context.bit_rate = AAC_BITS_PER_SECOND
    stream.codec_context.thread_count = 1
    stream.codec_context.flags |= Flags.bitexact
    stream.codec_context.open()
    return stream


def _picture(image: NDArray[np.uint8], number: int, pix_fmt: str, time_base: Fraction) -> Any:
    import av
    from av.video.reformatter import Colorspace

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    if pix_fmt != "rgb24":
        frame = frame.reformat(
            format=pix_fmt,
            dst_colorspace=Colorspace.ITU709,
            interpolation="BICUBIC",
            threads=SCALING_THREADS,
        )
        frame.colorspace, frame.color_range = BT709, LIMITED_RANGE
    frame.pts, frame.time_base = number, time_base
    return frame


def _mux_sound(container: Any, stream: Any, sound: Sound, done: int, until: int, last: bool = False) -> int:
    """Encode whole blocks of samples from `done` up to `until`; the last block may be short."""
    import av

    block = stream.codec_context.frame_size or 1024
    until = min(until, sound.wave.shape[1])
    while done + block <= until or (last and done < until):
        samples = np.ascontiguousarray(np.clip(sound.wave[:, done : done + block], -1, 1))
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.rate, frame.pts, frame.time_base = sound.rate, done, Fraction(1, sound.rate)
        container.mux(stream.encode(frame))
        done += samples.shape[1]
    return done


_DISK_ERRORS = frozenset({28, 27, 30, 122})
"""No space left, file too large, read-only file system, quota exceeded."""
