"""Masks: drawn from a seed, and their mean over each latent cell. 1 keeps, 0 is generated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.options.masks import MaskOptions
from ltx_core.geometry.grid import VideoScale
from ltx_core.geometry.units import latent_frames

Mask = NDArray[np.float32]
STROKE_WIDTH = (0.08, 0.2)
"""Width of a stroke as a share of the picture's shorter side."""
MAX_STROKES = 64
DRAWS = 256
"""How often a mask is drawn until it covers a cell; the last one is taken as it is."""
ROUNDING = 1e-5
"""How far from 0 or 1 the mean of a cell may be and still be meant as 0 or 1."""


def draw_mask(
    clip_id: str,
    size: tuple[int, int, int],
    options: MaskOptions,
    scale: VideoScale,
    threshold: float | None = None,
) -> Mask:
    """A mask `[F, H, W]` of 0 and 1 by which at least one latent is generated wholly.

    What is held in part bears no loss, so a mask that covers no cell would teach nothing; where shapes are
    not much larger than cells, another is drawn.

    Args:
        clip_id: the clip.
        size: its frames, height and width.
        options: kind and parameters.
        scale: pixels per latent, from the model.
        threshold: as in `latent_mask`.
    """
    for attempt in range(DRAWS):
        mask = make_mask(f"{clip_id}/{attempt}" if attempt else clip_id, *size, options)
        if latent_mask(mask, scale, threshold).min() == 0:
            break
    return mask


def make_mask(clip_id: str, frames: int, height: int, width: int, options: MaskOptions) -> Mask:
    """A mask `[F, H, W]` of 0 and 1 that is a function of the clip's id and the options alone."""
    kind = options.kind or "boxes"
    seed = hashlib.sha256(f"{clip_id}/{kind}/{options.seed}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:16], "big"))
    draw = {"boxes": _boxes, "strokes": _strokes}[kind]
    paint = draw(rng, height, width, options)
    mask = np.ones((frames, height, width), np.uint8)
    for number in range(frames):
        paint(mask[number], number / max(frames - 1, 1))
    return mask.astype(np.float32)


Paint = Callable[[NDArray[np.uint8], float], None]
"""Sets the generated pixels of one frame to 0; the second argument is the share of the clip's time."""


def _drift(rng: np.random.Generator, side: int, motion: float) -> tuple[float, float]:
    """A way in pixels, in any direction."""
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0) * motion * side
    return float(np.cos(angle) * length), float(np.sin(angle) * length)


def _boxes(rng: np.random.Generator, height: int, width: int, options: MaskOptions) -> Paint:
    count = int(rng.integers(1, options.shapes + 1))
    boxes = []
    for _ in range(count):
        area = options.coverage * height * width / count
        ratio = float(np.exp(rng.uniform(-0.6, 0.6)))
        box_width = int(np.clip(round((area * ratio) ** 0.5), 1, width))
        box_height = int(np.clip(round(area / box_width), 1, height))
        place = rng.uniform(0, width - box_width), rng.uniform(0, height - box_height)
        boxes.append((box_width, box_height, place, _drift(rng, min(height, width), options.motion)))

    def paint(frame: NDArray[np.uint8], time: float) -> None:
        for box_width, box_height, (x, y), (along_x, along_y) in boxes:
            left = int(np.clip(round(x + along_x * time), 0, width - box_width))
            top = int(np.clip(round(y + along_y * time), 0, height - box_height))
            frame[top : top + box_height, left : left + box_width] = 0

    return paint


def _strokes(rng: np.random.Generator, height: int, width: int, options: MaskOptions) -> Paint:
    """Lines that wander over the picture, as many as the coverage needs (at least `shapes`)."""
    import cv2

    side = min(height, width)
    strokes: list[tuple[NDArray[np.float64], int, tuple[float, float]]] = []

    def paint(frame: NDArray[np.uint8], time: float) -> None:
        for points, thickness, way in strokes:
            moved = np.round(points + np.asarray(way) * time).astype(np.int32)
            cv2.polylines(frame, [moved], False, 0, thickness, cv2.LINE_8)

    while len(strokes) < MAX_STROKES:
        turns = np.cumsum(rng.uniform(-1.2, 1.2, 6)) + rng.uniform(0, 2 * np.pi)
        steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * rng.uniform(0.06, 0.16, (6, 1)) * side
        start = np.array([[rng.uniform(0, width), rng.uniform(0, height)]])
        points = np.concatenate([start, start + np.cumsum(steps, axis=0)])
        thickness = max(1, round(rng.uniform(*STROKE_WIDTH) * side))
        strokes.append((points, thickness, _drift(rng, side, options.motion)))
        trial = np.ones((height, width), np.uint8)
        paint(trial, 0.5)
        if len(strokes) >= options.shapes and 1 - trial.mean() >= options.coverage:
            break
        if 1 - trial.mean() >= 1.3 * options.coverage:
            break
    return paint


def mask_frames(mask: Mask) -> NDArray[np.uint8]:
    """A mask `[F, H, W]` as frames `[F, H, W, 3]` to look at: white is kept."""
    grey = np.round(np.clip(mask, 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3)


def frames_mask(frames: NDArray[np.uint8], binary: bool = True) -> Mask:
    """A mask `[F, H, W]` from the frames of a mask video; `binary` undoes the loss of its encoding."""
    grey = frames.mean(axis=3, dtype=np.float32) / 255
    return np.asarray(grey > 0.5 if binary else grey, np.float32)


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
