"""What a sample is to be (`Target`) and what one of its conditions becomes (`Part`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ltx_core.conditions import Condition
from ltx_core.conditions.base import Modality
from ltx_core.config.samples import FileCondition
from ltx_core.encoding.audio import encode_audio
from ltx_core.encoding.video import encode_video
from ltx_core.errors import ConfigError
from ltx_core.geometry.grid import AudioGrid, AudioScale, VideoGrid
from ltx_core.geometry.units import audio_grid, video_grid
from ltx_core.stages.context import Context
from ltx_core.stages.sample_media import Dims, Frames, SoundFile, Wave


@dataclass(frozen=True)
class Part:
    """What one condition of a sample becomes.

    Attributes:
        condition: as training knows it; None for a modality that is given whole.
        content: whole target latents `[1, ...]` of which it holds a part; None for a reference.
        column: latents or mask `[1, ...]` of the condition's own column.
        fps: own frame rate of a reference's latents.
        frames, wave: as read, where they may be shown.
    """

    condition: Condition | None = None
    content: Tensor | None = None
    column: Tensor | None = None
    fps: float | None = None
    frames: Frames | None = None
    wave: Wave | None = None


@dataclass(frozen=True)
class Target:
    """The sample to be: sizes, and the models that encode for it.

    Attributes:
        context: of the config.
        prompt: names the sample in messages.
        dims: width, height, frames.
        trained: metadata of the LoRA; None where nothing is known of it.
    """

    context: Context
    prompt: str
    dims: Dims
    trained: Mapping[str, str] | None = None

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.context.config.validation.frame_rate

    @property
    def seconds(self) -> float:
        """Duration of the sample."""
        return self.dims[2] / self.fps

    @cached_property
    def video(self) -> VideoGrid:
        """The latent grid of its video."""
        try:
            return video_grid(*self.dims, self.fps, self.context.info.video_scale)
        except ValueError as error:
            raise ConfigError(f"sample {self.prompt!r}, video_dims {list(self.dims)}: {error}") from None

    @cached_property
    def audio_scale(self) -> AudioScale:
        """The model's audio factors."""
        scale = self.context.info.audio_scale
        if scale is None:
            raise ConfigError(f"sample {self.prompt!r} has sound, which the model cannot make; remove it")
        return scale

    @cached_property
    def audio(self) -> AudioGrid:
        """The latent grid of its sound."""
        return audio_grid(self.seconds, self.audio_scale)

    def empty(self, modality: Modality) -> Tensor:
        """Latents of zeros `[1, ...]`."""
        info = self.context.info
        if modality == "audio":
            return torch.zeros(1, info.audio_channels, self.audio.steps, info.audio_bins)
        grid = self.video
        return torch.zeros(1, info.video_channels, grid.frames, grid.height, grid.width)

    def encode(self, frames: Frames) -> Tensor:
        """Video latents `[1, C, f, h, w]`."""
        dtype = self.context.config.dataset.latents_dtype
        return encode_video(self.context.models.video(), frames, dtype).float()[None]

    def encode_sound(self, sound: SoundFile, seconds: float, *, last: bool = False) -> Tensor:
        """Audio latents `[1, c, T, m]` of the first or last `seconds` of a file."""
        codec, dtype = self.context.models.audio(), self.context.config.dataset.latents_dtype
        wave = sound.read(seconds, codec.mel.sample_rate, last=last)
        return encode_audio(codec, wave, seconds, dtype).float()[None]

    def whole_sound(self, path: Path) -> tuple[Tensor, Wave]:
        """Audio latents of the sample's length, and the sound at the rate of generated sound."""
        sound = SoundFile.open(path)
        wave = sound.whole(self.seconds, self.context.info.wave_rate, self.audio_scale)
        return self.encode_sound(sound, self.seconds), wave

    def refuse(self, condition: FileCondition, why: str) -> ConfigError:
        """The error of a condition that cannot be applied."""
        (path, *_) = condition.paths.values()
        return ConfigError(f"sample {self.prompt!r}, {condition.type} {path}: {why}")
