"""The camera's own motion between frames, so that what moves by itself can be told from it.

The optical flow of the whole picture (DIS, Kroeger et al., 2016) is explained by one affine map: least
squares, done again without the points that it explains worst. Most of the picture must be background.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Flow = NDArray[np.float32]
Affine = NDArray[np.float64]
"""`[2, 3]`: where a point of one frame lies in the next."""
ROUNDS = 6
STEP = 4
"""Every fourth row and column is enough to fit six numbers."""


@dataclass(frozen=True)
class Motion:
    """From each frame to the next: F - 1 of each.

    Attributes:
        flows: optical flow in pixels, `[h, w, 2]`.
        cameras: the part of it that one affine map explains.
    """

    flows: list[Flow]
    cameras: list[Affine]


def motion(greys: Grey) -> Motion:
    """Flow and camera of grey frames uint8 `[F, h, w]`."""
    import cv2

    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flows = [np.asarray(finder.calc(a, b, None)) for a, b in pairwise(greys)]
    return Motion(flows, [fit_camera(flow) for flow in flows])


def fit_camera(flow: Flow) -> Affine:
    """The affine map that explains most of a flow `[h, w, 2]`."""
    rows, columns = np.mgrid[0 : flow.shape[0] : STEP, 0 : flow.shape[1] : STEP]
    points = np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)], axis=1).astype(np.float64)
    moved = points[:, :2] + flow[::STEP, ::STEP].reshape(-1, 2)
    used = np.ones(len(points), bool)
    for _ in range(ROUNDS):
        found = np.linalg.lstsq(points[used], moved[used], rcond=None)[0]
        wrong = np.linalg.norm(points @ found - moved, axis=1)
        used = wrong <= max(2.5 * float(np.median(wrong)), 0.05)
    return np.asarray(found.T, np.float64)


def camera_flow(camera: Affine, height: int, width: int) -> Flow:
    """The flow `[h, w, 2]` of a picture that moves as a whole."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = (camera[n, 0] * columns + camera[n, 1] * rows + camera[n, 2] for n in (0, 1))
    return np.stack([x - columns, y - rows], axis=2).astype(np.float32)


def to_middle(cameras: list[Affine]) -> list[Affine]:
    """For each of F frames, where its points lie in the middle frame."""
    steps = [np.vstack([camera, (0, 0, 1)]) for camera in cameras]
    middle = len(steps) // 2
    found = [np.eye(3) for _ in range(len(steps) + 1)]
    for number in range(middle - 1, -1, -1):
        found[number] = found[number + 1] @ steps[number]
    for number in range(middle + 1, len(found)):
        found[number] = found[number - 1] @ np.linalg.inv(steps[number - 1])
    return [matrix[:2] for matrix in found]
