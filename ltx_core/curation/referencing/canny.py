"""canny: the edges of each frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class CannyOptions:
    """Thresholds of the edges, 0 to 255."""

    low: Annotated[int, Ge(0), Le(255)] = 60
    high: Annotated[int, Ge(0), Le(255)] = 120


def canny(frames: Frames, low: int = 60, high: int = 120) -> Frames:
    """Canny edges of each frame, white on black: uint8 `[F, H, W, 3]` from uint8 `[F, H, W, 3]`.

    Edges are found in each colour channel and united: a shape of its background's brightness has edges too.
    """
    import cv2

    edges = np.empty_like(frames)
    for number, frame in enumerate(frames):
        planes = [cv2.Canny(np.ascontiguousarray(frame[..., channel]), low, high) for channel in range(3)]
        edges[number] = np.maximum.reduce(planes)[..., None]
    return edges


def _make(frames: Frames, options: CannyOptions, work: Work) -> Frames:
    return canny(frames, options.low, options.high)


def _check(options: CannyOptions) -> None:
    if options.low > options.high:
        raise ValueError(
            f"canny: low is {options.low}, high {options.high}; low must not be above high: at most "
            f"{options.high}"
        )


CANNY = Kind("canny", "edges, white on black", CannyOptions, _make, check=_check)
