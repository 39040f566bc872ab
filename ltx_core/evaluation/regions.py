"""Where a holding condition acts: held and neighbouring latent cells as pixels and as parts of the time."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltx_core.evaluation.effects import Region
from ltx_core.geometry.grid import VideoGrid, causal_span

Mask = NDArray[np.bool_]
Value = TypeVar("Value", bound=np.generic)
NEXT_SECONDS = 0.25
"""Sound that is looked at beside a held span; of a video it is one latent frame."""


def video_region(hold: Tensor, grid: VideoGrid, span: bool) -> Region:
    """The region of one clip.

    Args:
        hold: `[N]` strength on the tokens of `grid`.
        grid: the clip's.
        span: whether whole frames at an end are held; else a part of the picture.

    Returns:
        Masks `[F, H, W]` in pixels. A held part of the picture ends half a cell earlier: what the
        autoencoder draws at its edge depends on both sides.
    """
    cells = hold.reshape(grid.frames, grid.height, grid.width).numpy()
    if span:
        near = _beside(cells.max((1, 2)) > 0, 1)[:, None, None] & (cells == 0)
        return Region(_pixels(cells == 1, grid), _pixels(near, grid))
    kept = _pixels(cells == 1, grid)
    return Region(_shrunk(kept, grid.scale.height // 2, grid.scale.width // 2), _pixels(cells == 0, grid))


def audio_region(hold: Tensor, steps_per_second: float, span: bool) -> Region:
    """The region of one sound of T latent steps, from `hold` `[T]`: masks `[T]`."""
    steps = hold.numpy()
    if not span:
        return Region(steps == 1, steps == 0)
    width = max(1, round(NEXT_SECONDS * steps_per_second))
    return Region(steps == 1, _beside(steps > 0, width) & (steps == 0))


def shown_where(frames: NDArray[np.uint8], hold: Tensor, grid: VideoGrid) -> NDArray[np.uint8]:
    """What a condition holds of a clip `[F, H, W, 3]`: the rest is grey."""
    cells = hold.reshape(grid.frames, grid.height, grid.width).float().numpy()
    strength = _pixels(cells, grid)[..., None]
    shown: NDArray[np.uint8] = (frames * strength + 128 * (1 - strength)).round().astype(np.uint8)
    return shown


def _beside(held: Mask, width: int) -> Mask:
    """`[T]`: not held, and at most `width` steps from what is."""
    near = held.copy()
    for _ in range(width):
        near |= np.roll(near, 1) & (np.arange(len(near)) > 0)
        near |= np.roll(near, -1) & (np.arange(len(near)) < len(near) - 1)
    return np.asarray(near & ~held)


def _pixels(cells: NDArray[Value], grid: VideoGrid) -> NDArray[Value]:
    """Each cell's value on its pixels: `[f, h, w]` -> `[F, H, W]`."""
    starts, ends = causal_span(torch.arange(grid.frames), grid.scale.time)
    frames = np.repeat(cells, (ends - starts).numpy(), axis=0)
    return frames.repeat(grid.scale.height, axis=1).repeat(grid.scale.width, axis=2)


def _shrunk(mask: Mask, rows: int, columns: int) -> Mask:
    """Every frame of `[F, H, W]` without what lies within `rows` and `columns` of its inner edges."""
    import cv2

    kernel = np.ones((2 * rows + 1, 2 * columns + 1), np.uint8)
    # Beyond the picture nothing is generated: its own border is no edge.
    eroded = [cv2.erode(frame.astype(np.uint8), kernel, borderType=cv2.BORDER_REPLICATE) for frame in mask]
    return np.stack(eroded) > 0
