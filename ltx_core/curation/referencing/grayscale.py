"""grayscale: brightness without colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class GrayscaleOptions:
    """None."""


def gray(frames: Frames) -> Frames:
    """Brightness of each frame (BT.601) in three equal channels: uint8 `[F, H, W, 3]`."""
    import cv2

    found = np.empty_like(frames)
    for number, frame in enumerate(frames):
        found[number] = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None]
    return found


def _make(frames: Frames, options: GrayscaleOptions, work: Work) -> Frames:
    return gray(frames)


GRAYSCALE = Kind(
    "grayscale", "brightness without colour", GrayscaleOptions, _make, keyed="gray", aliases=("gray",)
)
