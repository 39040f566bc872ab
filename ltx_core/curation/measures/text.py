"""How much of a picture looks like writing, without any model: lines of strokes that stand out.

Design choices
- Where strokes stand close together, closing their edges makes one long low piece of each line of text.
- A piece counts as writing when a part of its pixels is much brighter or darker than the rest, and ways
  through it cross many strokes of uneven width and distance: a fence or a striped shirt is even.
- At 256 pixels' width small print is lost; what remains is what a viewer sees first. Strange alphabets and
  light writing on light ground are missed, and some brickwork is found: a score to look at, not a judge.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
EDGE, STRONGEST = 50, 0.5
"""Luma difference within 3 x 3 pixels from which there is an edge: so much at least, and such a share of what
the strongest half percent of the pixels have: writing stands out, texture does not."""
HEIGHTS = (5, 0.2)
"""Height of a line: pixels at least, share of the picture's height at most."""
WIDTHS = (1.6, 0.06)
"""Width of a line at least: times its height, share of the picture's width."""
GAP = 9
"""Pixels between strokes that are closed."""
STANDS_OUT = 75
"""Luma by which strokes differ from the middle tone of their line."""
INK = (0.08, 0.5)
"""Share of a line that its strokes cover."""
STROKES = 0.8
"""Strokes per height of the line that a way through it crosses."""
UNEVEN = 0.45
"""Spread of the widths of strokes and gaps against their mean."""


def text_share(gray: Gray) -> float:
    """Share of a luma picture `[h, w]` that lies in lines of writing."""
    height, width = gray.shape
    if min(height, width) < HEIGHTS[0]:
        return 0.0
    gradient = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    strong = STRONGEST * _quantiles(gradient, 0.995)[0]
    edges = (gradient > max(EDGE, strong)).astype(np.uint8)
    joined = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, np.ones((1, GAP), np.uint8))
    # Thin bridges between lines are cut.
    joined = cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((3, 5), np.uint8))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
    area = 0
    for left, top, across, down, filled in boxes[1:count]:
        shaped = HEIGHTS[0] <= down <= HEIGHTS[1] * height and across >= max(
            WIDTHS[0] * down, WIDTHS[1] * width
        )
        if (
            shaped
            and filled > 0.5 * across * down
            and _is_writing(gray[top : top + down, left : left + across])
        ):
            area += int(across) * int(down)
    return float(area / (height * width))


def _is_writing(line: Gray) -> bool:
    """Whether a piece of a picture holds uneven strokes that stand out, brighter or darker than the rest."""
    dark, middle, bright = _quantiles(line, 0.03, 0.5, 0.97)
    return (bright - middle >= STANDS_OUT and _has_strokes(line > (middle + bright) / 2)) or (
        middle - dark >= STANDS_OUT and _has_strokes(line < (middle + dark) / 2)
    )


def _quantiles(picture: Gray, *shares: float) -> list[int]:
    """Levels that such shares of the pixels do not exceed; a histogram is much faster than sorting."""
    counts = np.cumsum(np.bincount(picture.ravel(), minlength=256))
    return [int(np.searchsorted(counts, share * counts[-1])) for share in shares]


def _has_strokes(ink: NDArray[np.bool_]) -> bool:
    """Whether ways through a line of writing cross strokes, many and of uneven widths and gaps."""
    height, width = ink.shape
    if not INK[0] < float(ink.mean()) < INK[1]:
        return False
    rows = ink[height // 4 : max(height * 3 // 4, height // 4 + 1)]
    changes = [np.flatnonzero(row[1:] != row[:-1]) for row in rows]
    if float(np.median([len(found) for found in changes])) / 2 < STROKES * width / height:
        return False
    runs = np.concatenate([np.diff(found) for found in changes])
    return bool(runs.size and runs.std() > UNEVEN * runs.mean())
