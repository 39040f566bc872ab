"""Skeletons of COCO's 17 keypoints, drawn in colours on black."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
POINTS = 17
"""Nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; the left one of a pair first."""
NOSE, SHOULDERS, HIPS = 0, (5, 6), (11, 12)
LIMBS = (
    *((5, 7), (7, 9), (6, 8), (8, 10)),
    *((11, 13), (13, 15), (12, 14), (14, 16)),
    *((5, 6), (11, 12), (5, 11), (6, 12)),
    *((0, 1), (0, 2), (1, 3), (2, 4), (0, 5), (0, 6)),
)
"""Keypoints that are joined: arms, legs, trunk, head."""
COLOURS = tuple(
    tuple(round(255 * value) for value in colorsys.hsv_to_rgb(number / len(LIMBS), 1, 1))
    for number in range(len(LIMBS))
)
"""One hue for each limb, so that left and right differ."""
THICKNESS = 1 / 90
"""Of a limb, as a share of the picture's shorter side."""


def draw_people(people: Sequence[NDArray[np.float64]], height: int, width: int, least: float) -> Frames:
    """A frame `[height, width, 3]` with a skeleton for each person, those that are listed last in front.

    Args:
        people: keypoints `[17, 3]` of each: x, y in pixels, score.
        height, width: of the frame.
        least: score below which a keypoint is not drawn.
    """
    import cv2

    picture = np.zeros((height, width, 3), np.uint8)
    thickness = max(1, round(min(height, width) * THICKNESS))
    for points in people:
        seen = points[:, 2] >= least
        places = [(round(float(x)), round(float(y))) for x, y in points[:, :2]]
        for (first, last), colour in zip(LIMBS, COLOURS, strict=True):
            if seen[first] and seen[last]:
                cv2.line(picture, places[first], places[last], colour, thickness, cv2.LINE_AA)
        for number in np.flatnonzero(seen):
            cv2.circle(picture, places[number], thickness, (255, 255, 255), -1, cv2.LINE_AA)
    return picture
