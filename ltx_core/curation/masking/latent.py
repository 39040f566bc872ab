"""The mean of a mask over each latent cell, and masks as frames of a video."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.masking.target import Mask
from ltx_core.geometry.grid import VideoScale
from ltx_core.geometry.units import latent_frames

ROUNDING = 1e-5
"""How far from 0 or 1 the mean of a cell may be and still be meant as 0 or 1."""
CODEC_LOSS = 8 / 255
"""What a codec may change black and white by. Without a tolerance a black cell would come out almost
black, which counts as held: no token of it would be learned."""


def mask_frames(mask: Mask) -> NDArray[np.uint8]:
    """A mask `[F, H, W]` as frames `[F, H, W, 3]` to look at: white is kept."""
    grey = np.round(np.clip(mask, 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3)


def frames_mask(frames: NDArray[np.uint8], binary: bool = True) -> Mask:
    """A mask `[F, H, W]` from the frames of a mask video; the loss of its encoding is undone.

    Args:
        frames: `[F, H, W, 3]`.
        binary: whether the mask is of 0 and 1; else values near these are meant as these.
    """
    grey = frames.mean(axis=3, dtype=np.float32) / 255
    return np.asarray(grey > 0.5, np.float32) if binary else without_loss(grey)


def without_loss(grey: Mask) -> Mask:
    """A soft mask with what is almost 0 or 1 as that; written into."""
    grey[grey <= CODEC_LOSS] = 0
    grey[grey >= 1 - CODEC_LOSS] = 1
    return grey


def latent_mask(mask: Mask, scale: VideoScale, threshold: float | None = None) -> Mask:
    """The mean of a mask `[F, H, W]` over the pixels and frames of each latent: `[f, h, w]` float32.

    Frame 0 is the first latent by itself, then `scale.time` frames each (the causal rule). A cell that is
    kept wholly is exactly 1, one that is generated wholly exactly 0: resizing leaves rounding errors, and
    what is held in the least bears no loss.

    Args:
        mask: values in [0, 1], at the target's size.
        scale: pixels per latent, from the model.
        threshold: None keeps the mean; else 1 where the mean is at least this, 0 elsewhere.

    Raises:
        ValueError: when a side is no multiple of the factor, or the count of frames is not factor*k + 1.
    """
    frames, height, width = mask.shape
    count = latent_frames(frames, scale.time)
    if height % scale.height or width % scale.width:
        raise ValueError(
            f"a mask of {width}x{height} pixels does not fit the model: its sides must be multiples of "
            f"{scale.width} and {scale.height}; resize it like its video"
        )
    rows = mask.reshape(frames, height // scale.height, scale.height, width).mean(axis=2, dtype=np.float64)
    planes = rows.reshape(frames, -1, width // scale.width, scale.width).mean(axis=3)
    later = planes[1:].reshape(count - 1, scale.time, *planes.shape[1:]).mean(axis=1)
    mean = np.clip(np.concatenate([planes[:1], later]), 0, 1)
    mean = np.where(np.abs(mean - np.round(mean)) < ROUNDING, np.round(mean), mean)
    return np.asarray(mean if threshold is None else mean >= threshold, np.float32)
