"""boxes: rectangles that drift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work
from ltx_core.curation.masking.shapes import Paint, ShapeOptions, drift, paint_shapes
from ltx_core.curation.masking.target import Mask, Target


def _boxes(rng: np.random.Generator, height: int, width: int, options: ShapeOptions) -> Paint:
    count = int(rng.integers(1, options.shapes + 1))
    boxes = []
    for _ in range(count):
        area = options.coverage * height * width / count
        ratio = float(np.exp(rng.uniform(-0.6, 0.6)))
        box_width = int(np.clip(round((area * ratio) ** 0.5), 1, width))
        box_height = int(np.clip(round(area / box_width), 1, height))
        place = rng.uniform(0, width - box_width), rng.uniform(0, height - box_height)
        boxes.append((box_width, box_height, place, drift(rng, min(height, width), options.motion)))

    def paint(frame: NDArray[np.uint8], time: float) -> None:
        for box_width, box_height, (x, y), (along_x, along_y) in boxes:
            left = int(np.clip(round(x + along_x * time), 0, width - box_width))
            top = int(np.clip(round(y + along_y * time), 0, height - box_height))
            frame[top : top + box_height, left : left + box_width] = 0

    return paint


def _make(target: Target, options: ShapeOptions, work: Work) -> Mask:
    return paint_shapes("boxes", _boxes, target, options, work.clip_id)


BOXES = Kind(
    "boxes", "rectangles that drift, drawn from the clip's id and `seed`", ShapeOptions, _make, of_clip=False
)
