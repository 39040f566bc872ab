"""Frames and sound of a user's files, cut and fitted for a sample; a file that is too short is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltx_core.errors import ConfigError
from ltx_core.geometry.grid import AudioScale
from ltx_core.geometry.units import audio_steps
from ltx_core.media.audio import read_audio
from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.fit import fit
from ltx_core.media.probe import probe
from ltx_core.media.window import nearest_frames

Dims = tuple[int, int, int]
"""Width, height, frames."""
Frames = NDArray[np.uint8]
Wave = NDArray[np.float32]


def read_fitted(path: Path, dims: Dims, fps: float) -> Frames:
    """The first frames of a video or an image at `fps`, fitted: uint8 `[F, H, W, 3]`.

    Raises:
        ConfigError: when the video is shorter than the sample.
        MediaError: when it cannot be read.
    """
    width, height, count = dims
    times = frame_times(path)
    if times[-1] - times[0] + 1 / fps < (count - 1) / fps:
        raise ConfigError(
            f"{path} lasts {times[-1] - times[0]:.2f} s; {count} frames of it at {fps:g} per second need "
            f"{(count - 1) / fps:.2f} s. Give a longer file or fewer frames"
        )
    return fit(read_frames(path, nearest_frames(times, times[0], fps, count)), width, height)


def read_last(path: Path, dims: Dims, fps: float) -> Frames:
    """The last frames of a video at `fps`, fitted; where it has fewer, its first frame stands in front."""
    width, height, count = dims
    times = frame_times(path)
    start = times[-1] - (count - 1) / fps
    return fit(read_frames(path, nearest_frames(times, start, fps, count)), width, height)


@dataclass(frozen=True)
class SoundFile:
    """A file with sound: where it starts, in the times of its frames where it has any, and its seconds."""

    path: Path
    start: float
    seconds: float

    @classmethod
    def open(cls, path: Path) -> SoundFile:
        """Look at a file.

        Raises:
            ConfigError: when it has no sound.
            MediaError: when it cannot be read.
        """
        info = probe(path)
        if not info.has_audio:
            raise ConfigError(f"{path} has no sound; give a file with an audio stream")
        # An MP3 begins late by its encoder's delay, which is no silence in front.
        start = max(0.0, info.audio_start) if info.kind == "audio" else info.video_start
        return cls(path, start, info.duration)

    def steps(self, scale: AudioScale) -> int:
        """Latent steps that the whole file stands for."""
        return audio_steps(self.seconds, scale)

    def read(self, seconds: float, rate: int, *, last: bool = False) -> Wave:
        """The first or the last `seconds` at `rate`, `[2, S]`; silence where the file has none."""
        start = self.start + (self.seconds - seconds if last else 0.0)
        wave = read_audio(self.path, max(start, self.start), seconds, rate)
        if wave is None:
            raise ConfigError(f"{self.path} has no sound; give a file with an audio stream")
        return wave

    def whole(self, seconds: float, rate: int, scale: AudioScale) -> Wave:
        """The first `seconds`, all of which the file must have, to a latent step.

        Raises:
            ConfigError: when it is shorter.
        """
        if self.seconds < seconds - 1 / scale.latents_per_second:
            raise ConfigError(
                f"{self.path} lasts {self.seconds:.2f} s; the sample {seconds:.2f} s. Give a longer sound "
                "or fewer frames (`video_dims`)"
            )
        return self.read(seconds, rate)
