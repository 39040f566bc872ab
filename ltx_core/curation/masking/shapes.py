"""Shapes that are drawn from a seed and drift over the clip: what boxes and strokes have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from ltx_core.curation.masking.target import Mask, Target

Paint = Callable[[NDArray[np.uint8], float], None]
"""Sets the generated pixels of one frame to 0; the second argument is the share of the clip's time."""


@dataclass(frozen=True)
class ShapeOptions:
    """Shapes.

    Attributes:
        seed: with the clip's id, the source of every number.
        coverage: share of the picture that is generated, about.
        shapes: boxes or strokes in one mask, at most.
        motion: way of each shape over the clip, as a share of the picture's shorter side, at most.
    """

    seed: int = 0
    coverage: Annotated[float, Gt(0), Le(0.9)] = 0.3
    shapes: Annotated[int, Ge(1)] = 3
    motion: Annotated[float, Ge(0), Le(1)] = 0.4


Draw = Callable[[np.random.Generator, int, int, ShapeOptions], Paint]


def generator(clip_id: str, kind: str, seed: int) -> np.random.Generator:
    """Random numbers that are a function of the clip's id, the kind and the seed."""
    state = hashlib.sha256(f"{clip_id}/{kind}/{seed}".encode()).digest()
    return np.random.default_rng(int.from_bytes(state[:16], "big"))


def paint_shapes(kind: str, draw: Draw, target: Target, options: ShapeOptions, clip_id: str) -> Mask:
    """A mask `[F, H, W]` of 0 and 1 with the shapes that `draw` gives."""
    paint = draw(generator(clip_id, kind, options.seed), target.height, target.width, options)
    mask = np.ones(target.size, np.uint8)
    for number in range(target.frames):
        paint(mask[number], number / max(target.frames - 1, 1))
    return mask.astype(np.float32)


def drift(rng: np.random.Generator, side: int, motion: float) -> tuple[float, float]:
    """A way in pixels, in any direction."""
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0) * motion * side
    return float(np.cos(angle) * length), float(np.sin(angle) * length)
