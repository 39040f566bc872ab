"""Latent grids: how many tokens a sample has and where each of them lies.

Design choices
- Factors (time, height, width; hop, sample rate) always come from the model: `VideoScale` and
  `AudioScale` are read from its configs, never from a constant.
- Positions are `[start, end)` intervals in float32, the format of the transformer's rotary embedding.
- The causal rule: latent frame f covers pixel frames `[max(0, t*f - (t-1)), t*f + 1)` for a temporal
  factor t, so the first latent frame holds exactly one pixel frame (LTX-2 reference, checked by
  `tests/golden/test_positions.py`). Versions of LTX-Video before 0.9.5 were trained without it: frame f
  begins at pixel frame t*f.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_FPS = 24.0
"""Frames per second assumed where a sample states none (LTX-2 reference)."""


@dataclass(frozen=True)
class VideoScale:
    """Pixels per latent along each axis (LTX-2: 8, 32, 32).

    Attributes:
        time, height, width: pixels of one latent.
        causal: whether the model's positions follow the causal rule.
    """

    time: int
    height: int
    width: int
    causal: bool = True


@dataclass(frozen=True)
class AudioScale:
    """Samples per mel frame (`hop`), mel frames per latent (`factor`) and samples per second."""

    sample_rate: int
    hop: int
    factor: int = 4

    @property
    def latents_per_second(self) -> float:
        """Audio latent steps in one second (LTX-2: 16000 / 160 / 4 = 25)."""
        return self.sample_rate / self.hop / self.factor


@dataclass(frozen=True)
class VideoGrid:
    """One video sample in latent units, with the pixel frame rate that its times are measured in."""

    frames: int
    height: int
    width: int
    scale: VideoScale
    fps: float = DEFAULT_FPS

    @property
    def tokens(self) -> int:
        """Number of video tokens, F*H*W."""
        return self.frames * self.height * self.width

    @property
    def pixel_frames(self) -> int:
        """Pixel frames that this many latent frames stand for."""
        return self.scale.time * (self.frames - 1) + 1

    def positions(self) -> Tensor:
        """Token positions `[3, N, 2]` float32: seconds, pixel row, pixel column; start and end."""
        import torch

        frame, row, column = (
            torch.arange(n, dtype=torch.float32) for n in (self.frames, self.height, self.width)
        )
        starts, ends = frame_span(frame, self.scale)
        axes = (
            torch.stack([starts, ends], -1) / self.fps,
            torch.stack([row, row + 1], -1) * self.scale.height,
            torch.stack([column, column + 1], -1) * self.scale.width,
        )
        shape = (self.frames, self.height, self.width, 2)
        full = [
            axes[0][:, None, None].expand(shape),
            axes[1][None, :, None].expand(shape),
            axes[2][None, None].expand(shape),
        ]
        return torch.stack([axis.reshape(-1, 2) for axis in full])


@dataclass(frozen=True)
class AudioGrid:
    """One audio sample in latent steps."""

    steps: int
    scale: AudioScale

    @property
    def tokens(self) -> int:
        """Number of audio tokens, T."""
        return self.steps

    def positions(self) -> Tensor:
        """Token positions `[1, N, 2]` float32 in seconds; start and end."""
        import torch

        starts, ends = causal_span(torch.arange(self.steps, dtype=torch.float32), self.scale.factor)
        return (torch.stack([starts, ends], -1) * (self.scale.hop / self.scale.sample_rate))[None]


def frame_span(index: Tensor, scale: VideoScale) -> tuple[Tensor, Tensor]:
    """First and one-past-last pixel frame of each latent frame `[n]`, as the model's positions say."""
    if scale.causal:
        return causal_span(index, scale.time)
    return scale.time * index, scale.time * (index + 1)


def causal_span(index: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """First and one-past-last source frame of each latent frame `[n]` under the causal rule."""
    end = factor * index + 1
    return (end - factor).clamp(min=0), end
