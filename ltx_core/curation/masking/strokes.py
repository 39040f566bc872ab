"""strokes: free-form lines that drift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work
from ltx_core.curation.masking.shapes import Paint, ShapeOptions, drift, paint_shapes
from ltx_core.curation.masking.target import Mask, Target

STROKE_WIDTH = (0.08, 0.2)
"""Width of a stroke as a share of the picture's shorter side."""
MAX_STROKES = 64


def _strokes(rng: np.random.Generator, height: int, width: int, options: ShapeOptions) -> Paint:
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
        strokes.append((points, thickness, drift(rng, side, options.motion)))
        trial = np.ones((height, width), np.uint8)
        paint(trial, 0.5)
        if len(strokes) >= options.shapes and 1 - trial.mean() >= options.coverage:
            break
        if 1 - trial.mean() >= 1.3 * options.coverage:
            break
    return paint


def _make(target: Target, options: ShapeOptions, work: Work) -> Mask:
    return paint_shapes("strokes", _strokes, target, options, work.clip_id)


STROKES = Kind(
    "strokes",
    "free-form strokes that drift, drawn from the clip's id and `seed`",
    ShapeOptions,
    _make,
    of_clip=False,
)
