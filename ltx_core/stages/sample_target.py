"""What a sample is to be, for the conditions that it states: files read for it, and encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ltx_core.conditions import FileCondition
from ltx_core.conditions.base import Modality
from ltx_core.conditions.files import Sound
from ltx_core.conditions.reference import trained_factors
from ltx_core.config.roles import strategy_of
from ltx_core.encoding.audio import encode_audio
from ltx_core.encoding.video import encode_video
from ltx_core.errors import ConfigError
from ltx_core.geometry.grid import AudioGrid, AudioScale, VideoGrid
from ltx_core.geometry.units import audio_grid, video_grid
from ltx_core.media.decode import frame_count
from ltx_core.stages.context import Context
from ltx_core.stages.sample_media import Dims, Frames, SoundFile, Wave, read_fitted, read_last


@dataclass(frozen=True)
class Target:
    """The sample to be: sizes, and the models that encode for it (`conditions.files.Target`).

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

    @property
    def wave_rate(self) -> int:
        """Samples per second of generated sound."""
        return self.context.info.wave_rate

    def empty(self, modality: Modality) -> Tensor:
        """Latents of zeros `[1, ...]`."""
        info = self.context.info
        if modality == "audio":
            return torch.zeros(1, info.audio_channels, self.audio.steps, info.audio_bins)
        grid = self.video
        return torch.zeros(1, info.video_channels, grid.frames, grid.height, grid.width)

    def frame_count(self, path: Path) -> int:
        """Frames that a file has at the sample's rate."""
        return frame_count(path, self.fps)

    def pictures(self, path: Path, dims: Dims, fps: float) -> Frames:
        """The first frames of a video or an image at `fps`, fitted: uint8 `[F, H, W, 3]`."""
        return read_fitted(path, dims, fps)

    def last_pictures(self, path: Path, dims: Dims, fps: float) -> Frames:
        """The last frames; where there are fewer, the first one stands in front."""
        return read_last(path, dims, fps)

    def sound(self, path: Path) -> SoundFile:
        """A file's sound."""
        return SoundFile.open(path)

    def picture_mask(self, path: Path) -> Tensor:
        """A mask of the video `[1, F, H, W]` in latents."""
        from ltx_core.curation.masking.files import read_mask
        from ltx_core.curation.masking.latent import latent_mask

        threshold = self.context.config.dataset.mask_threshold
        mask = latent_mask(read_mask(path, *self.dims, self.fps), self.video.scale, threshold)
        return torch.as_tensor(mask, dtype=torch.float32)[None]

    def sound_mask(self, path: Path) -> Tensor:
        """A mask of the sound `[1, T]` in latents."""
        from ltx_core.curation.masking.audio_file import read_audio_mask
        from ltx_core.curation.masking.audio_mask import latent_audio_mask

        threshold = self.context.config.dataset.mask_threshold
        read = read_audio_mask(path, self.seconds)
        mask = latent_audio_mask(read, self.seconds, self.audio_scale, threshold)
        return torch.as_tensor(mask, dtype=torch.float32)[None]

    def encode(self, frames: Frames) -> Tensor:
        """Video latents `[1, C, f, h, w]`."""
        dtype = self.context.config.dataset.latents_dtype
        return encode_video(self.context.models.video(), frames, dtype).float()[None]

    def encode_sound(self, sound: Sound, seconds: float, *, last: bool = False) -> Tensor:
        """Audio latents `[1, c, T, m]` of the first or last `seconds` of a file."""
        codec, dtype = self.context.models.audio(), self.context.config.dataset.latents_dtype
        wave = sound.read(seconds, codec.mel.sample_rate, last=last)
        return encode_audio(codec, wave, seconds, dtype).float()[None]

    def whole_sound(self, path: Path) -> tuple[Tensor, Wave]:
        """Audio latents of the sample's length, and the sound at the rate of generated sound."""
        sound = SoundFile.open(path)
        wave = sound.whole(self.seconds, self.wave_rate, self.audio_scale)
        return self.encode_sound(sound, self.seconds), wave

    def factors(self, name: str) -> Sequence[int]:
        """Scale factors of references that the LoRA was trained with; none where it had no reference."""
        trained = self.trained or {}
        strategy = strategy_of(trained)
        video = None if strategy is None else strategy.video
        used = video is not None and any(condition.type == "reference" for condition in video.conditions)
        return trained_factors(trained, name) if used or name in trained else ()

    def refuse(self, condition: FileCondition, why: str) -> ConfigError:
        """The error of a condition that cannot be applied."""
        (path, *_) = condition.paths.values()
        return ConfigError(f"sample {self.prompt!r}, {condition.type} {path}: {why}")
