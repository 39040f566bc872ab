"""A video as the patches that Qwen's vision encoders take: their processors' arithmetic without torchvision.

Frames are chosen by their time, two make a step; both sides become multiples of a merged patch within a
range of pixels; patches lie in the order step, row and column of merged patches, row and column within one;
a patch is colour, frame of its step, row, column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MERGED_TOKENS = (128, 768)
"""Smallest and largest number of merged patches of a frame, where a folder states no sizes for videos."""
LONGEST_FRAMES = 768
"""Frames that are looked at, at most."""


@dataclass(frozen=True)
class PixelOptions:
    """Numbers of a vision encoder's input.

    Attributes:
        patch: pixels of a patch's side.
        merge: patches of a merged one's side.
        step: frames of a step.
        pixels: smallest and largest area of a frame.
        mean, std: of the colours, from 0 to 1.
    """

    patch: int = 14
    merge: int = 2
    step: int = 2
    pixels: tuple[int, int] = (MERGED_TOKENS[0] * 28 * 28, MERGED_TOKENS[1] * 28 * 28)
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)

    @classmethod
    def of(cls, image: Mapping[str, Any], video: Mapping[str, Any], patch: int) -> PixelOptions:
        """From `preprocessor_config.json` and `video_preprocessor_config.json`, either of which may be empty.

        Args:
            image: of images: sizes of patches and colours count for videos too, areas do not.
            video: of videos.
            patch: where neither says it.
        """
        both = {**image, **video}
        patch, merge = int(both.get("patch_size", patch)), int(both.get("merge_size", cls.merge))
        size = video.get("size") or {}
        factor = (patch * merge) ** 2
        least = size.get("shortest_edge") or video.get("min_pixels") or MERGED_TOKENS[0] * factor
        most = size.get("longest_edge") or video.get("max_pixels") or MERGED_TOKENS[1] * factor
        return cls(
            patch,
            merge,
            int(both.get("temporal_patch_size", cls.step)),
            (int(least), int(most)),
            tuple(both.get("image_mean") or cls.mean),
            tuple(both.get("image_std") or cls.std),
        )


def chosen_frames(count: int, fps: float, wanted: float, step: int) -> NDArray[np.int64]:
    """Numbers of the frames to look at: `wanted` a second, evenly spread, a multiple of `step`."""
    number = min(count / fps * wanted, LONGEST_FRAMES, count)
    number = max(step, math.floor(number / step) * step)
    return np.minimum(np.arange(number) * count // number, count - 1)


def fitted_size(height: int, width: int, factor: int, pixels: tuple[int, int]) -> tuple[int, int]:
    """Height and width as multiples of `factor`, of about the same shape, with an area within `pixels`."""
    high, wide = (max(factor, round(side / factor) * factor) for side in (height, width))
    least, most = pixels
    if high * wide > most:
        shrink = math.sqrt(height * width / most)
        high, wide = (max(factor, math.floor(side / shrink / factor) * factor) for side in (height, width))
    elif high * wide < least:
        grow = math.sqrt(least / (height * width))
        high, wide = (math.ceil(side * grow / factor) * factor for side in (height, width))
    return high, wide


def patches(
    frames: NDArray[np.uint8], options: PixelOptions
) -> tuple[NDArray[np.float32], tuple[int, int, int]]:
    """Patches of a video.

    Args:
        frames: uint8 `[F, H, W, 3]`, those to look at; the last is repeated to fill a step.
        options: of the encoder.

    Returns:
        float32 `[N, 3 * step * patch * patch]`, and the grid: steps, rows and columns of patches.
    """
    patch, merge, step = options.patch, options.merge, options.step
    values = _normalised(_resized(frames, options), options)
    if short := -len(values) % step:
        values = np.concatenate([values, np.repeat(values[-1:], short, axis=0)])
    count, _, height, width = values.shape
    grid = (count // step, height // patch, width // patch)
    blocks = values.reshape(
        grid[0], step, 3, grid[1] // merge, merge, patch, grid[2] // merge, merge, patch
    ).transpose(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return np.ascontiguousarray(blocks.reshape(math.prod(grid), 3 * step * patch * patch)), grid


def _resized(frames: NDArray[np.uint8], options: PixelOptions) -> NDArray[np.uint8]:
    from PIL import Image

    factor = options.patch * options.merge
    height, width = fitted_size(frames.shape[1], frames.shape[2], factor, options.pixels)
    pictures = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    return np.stack([np.asarray(one.resize((width, height), Image.Resampling.BICUBIC)) for one in pictures])


def _normalised(frames: NDArray[np.uint8], options: PixelOptions) -> NDArray[np.float32]:
    """float32 `[F, 3, H, W]`."""
    values = frames.astype(np.float32) / 255
    scaled = (values - np.array(options.mean, np.float32)) / np.array(options.std, np.float32)
    return np.asarray(scaled.transpose(0, 3, 1, 2), np.float32)
