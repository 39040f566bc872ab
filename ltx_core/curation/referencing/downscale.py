"""downscale: each frame made smaller and as large as before again, for a model that adds detail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class DownscaleOptions:
    """How many times smaller each side becomes in between."""

    downscale: Annotated[int, Ge(2)] = 4


def downscale(frames: Frames, factor: int) -> Frames:
    """Each frame at 1/`factor` of its size, by area, and back, by cubic curves: uint8 `[F, H, W, 3]`."""
    import cv2

    height, width = frames.shape[1:3]
    small = max(1, round(width / factor)), max(1, round(height / factor))
    found = np.empty_like(frames)
    for number, frame in enumerate(frames):
        little = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
        found[number] = cv2.resize(little, (width, height), interpolation=cv2.INTER_CUBIC)
    return found


def _make(frames: Frames, options: DownscaleOptions, work: Work) -> Frames:
    return downscale(frames, options.downscale)


DOWNSCALE = Kind(
    "downscale",
    "the clip without its detail: smaller by `downscale`, then enlarged again",
    DownscaleOptions,
    _make,
)
