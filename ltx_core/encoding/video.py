"""A clip's frames as latents. One clip at a time: the composition of a batch would change the numbers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltx_core.encoding.storage import StorageType, stored
from ltx_core.models.codecs import VideoCodec


def encode_video(codec: VideoCodec, frames: NDArray[np.uint8], dtype: StorageType = "float32") -> Tensor:
    """Normalised latents `[C, f, h, w]` of RGB `frames` `[F, H, W, 3]`.

    F must be factor*k + 1 and H, W multiples of the model's factors (`geometry.units.video_grid` checks it).
    """
    return stored(codec.encode(pixels_of(frames)[None])[0], dtype)


def pixels_of(frames: NDArray[np.uint8]) -> Tensor:
    """Frames `[F, H, W, 3]` in 0..255 as pixels `[3, F, H, W]` float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(3, 0, 1, 2).float() / 127.5 - 1


def frames_of(pixels: Tensor) -> NDArray[np.uint8]:
    """Pixels `[..., 3, F, H, W]` in [-1, 1] as frames `[..., F, H, W, 3]` in 0..255, rounded."""
    scaled = ((pixels.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    frames: NDArray[np.uint8] = scaled.movedim(-4, -1).contiguous().cpu().numpy()
    return frames
