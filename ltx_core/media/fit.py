"""Resize to cover a size, then crop the centre: one arithmetic for frames, masks and references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

REDUCE_FROM = 2.0
"""Frames of twice this many times the needed size or more are decoded at this many times that size."""


@dataclass(frozen=True)
class FitBox:
    """A resize to `scaled_width` x `scaled_height`, then a crop of `width` x `height` at (`left`, `top`)."""

    scaled_width: int
    scaled_height: int
    left: int
    top: int
    width: int
    height: int


def fit_box(source_width: int, source_height: int, width: int, height: int) -> FitBox:
    """The smallest size with the source's aspect that covers `width` x `height`, and the centre crop of it.

    Raises:
        ValueError: when a size is not positive.
    """
    if min(source_width, source_height, width, height) < 1:
        raise ValueError(
            f"cannot fit {source_width}x{source_height} into {width}x{height}: sizes must be 1 or more"
        )
    scale = max(width / source_width, height / source_height)
    scaled_width = max(width, round(source_width * scale))
    scaled_height = max(height, round(source_height * scale))
    return FitBox(
        scaled_width, scaled_height, (scaled_width - width) // 2, (scaled_height - height) // 2, width, height
    )


def fit(frames: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Frames `[F, H, W, 3]` resized and cropped to `[F, height, width, 3]`.

    By area when shrinking, else by Lanczos.
    """
    box = fit_box(frames.shape[2], frames.shape[1], width, height)
    fitted = _collect((_fit_one(frame, box) for frame in frames), (len(frames), height, width, 3), np.uint8)
    return np.asarray(fitted, np.uint8)


def fit_mask(mask: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """A mask `[F, H, W]` in [0, 1], resized and cropped like its frames; its edges become soft."""
    box = fit_box(mask.shape[2], mask.shape[1], width, height)
    fitted = _collect((_fit_one(plane, box) for plane in mask), (len(mask), height, width), np.float32)
    return np.asarray(np.clip(fitted, 0, 1), np.float32)


def decode_size(source_width: int, source_height: int, width: int, height: int) -> tuple[int, int] | None:
    """Size to decode at before `fit`: None (as stored) unless the source is much larger than needed."""
    box = fit_box(source_width, source_height, width, height)
    if source_width < 2 * REDUCE_FROM * box.scaled_width:
        return None
    return round(REDUCE_FROM * box.scaled_width), round(REDUCE_FROM * box.scaled_height)


def _collect(planes: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
    out: NDArray[Any] = np.empty(shape, dtype)
    for number, plane in enumerate(planes):
        out[number] = plane
    return out


def _fit_one(plane: NDArray[Any], box: FitBox) -> NDArray[Any]:
    import cv2

    height, width = plane.shape[:2]
    if (width, height) != (box.scaled_width, box.scaled_height):
        shrinks = box.scaled_width <= width and box.scaled_height <= height
        # Lanczos overshoots, which would leave a mask's [0, 1] range; masks grow linearly.
        grow = cv2.INTER_LANCZOS4 if plane.dtype == np.uint8 else cv2.INTER_LINEAR
        plane = cv2.resize(
            plane, (box.scaled_width, box.scaled_height), interpolation=cv2.INTER_AREA if shrinks else grow
        )
    return plane[box.top : box.top + box.height, box.left : box.left + box.width]
