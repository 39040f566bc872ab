"""Reference videos: what a control model is shown beside the target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def canny(frames: NDArray[np.uint8], low: int = 60, high: int = 120) -> NDArray[np.uint8]:
    """Canny edges of each frame, white on black: uint8 `[F, H, W, 3]` from uint8 `[F, H, W, 3]`.

    Edges are found in each colour channel and united: a shape of its background's brightness has edges too.
    """
    import cv2

    edges = np.empty_like(frames)
    for number, frame in enumerate(frames):
        planes = [cv2.Canny(np.ascontiguousarray(frame[..., channel]), low, high) for channel in range(3)]
        edges[number] = np.maximum.reduce(planes)[..., None]
    return edges
