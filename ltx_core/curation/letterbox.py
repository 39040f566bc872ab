"""Letterbox: one-colour borders around the picture, found in the source pass.

Design choices
- A border is an edge, not darkness: a straight line along most of a side, at one depth, met again and again
  over a scene. A dark scene has rows of one colour too, but they end here and there and at another depth in
  the next frame.
- Black borders may lie on any side; borders of another colour must lie on both opposite sides alike, since a
  flat sky or wall ends in a straight edge too.
- What is drawn into a border (subtitles, a logo) does not end it.
- A scene that is too dark to tell takes the borders that the rest of its film agrees on.
- Depths are measured on small frames and made exact on a few whole ones.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.cutting.scene import Borders

SIDES = ("left", "top", "right", "bottom")
FLAT = 12
"""Levels by which the pixels of a border may differ: the noise of strong compression."""
BLACK = 28
"""Level up to which a border is black: limited-range black, and its noise."""
DIFFERENT = 20
"""Levels by which the picture differs from the border beside it."""
STRAIGHT = 0.6
"""Share of a side along which the picture differs right behind the border."""
AGREED = 0.25
"""Share of a scene's frames that show the straight edge at the same depth."""
CONTRADICTED = 0.02
"""Share of frames that may show the picture inside the border: a damaged one now and then."""
DEEPEST = 0.4
"""Share of a side's length that a border may take."""
SOFT = 2
"""Lines of a small frame over which a border turns into the picture: colours are stored at half the size."""
LEAST_ROWS = 2
"""Rows of a small frame below which there is no border."""
UNKNOWN = -1
Frame = NDArray[np.uint8]
Numbers = NDArray[Any]


class BorderWatch:
    """Observes how deep the one-colour border of each side is, frame by frame."""

    def __init__(self) -> None:
        self._rows = array("h")
        self.size = (0, 0)

    def see(self, number: int, time: float, frame: Frame) -> None:
        """Take a frame `[h, w, 3]`."""
        import cv2

        del number, time
        self.size = frame.shape[1], frame.shape[0]
        planes = np.stack(cv2.split(frame))
        columns, rows = _lines(planes, 1), _lines(planes, 2)
        found = _side(columns, planes.swapaxes(1, 2)) + _side(rows, planes)
        found += _side(columns[:, ::-1], planes.swapaxes(1, 2)[:, ::-1])
        found += _side(rows[:, ::-1], planes[:, ::-1])
        self._rows.extend(found)

    def result(self) -> Mapping[str, Numbers]:
        """`[frames, 4 sides, 5]`: depth in lines, share of the edge (percent), and the border's colour."""
        return {"borders": np.array(self._rows, np.int16).reshape(-1, 4, 5)}


def _lines(planes: Frame, axis: int) -> NDArray[np.int16]:
    """Lowest and highest value of each column (axis 1) or row (axis 2) of `[3, h, w]`: `[6, lines]`."""
    return np.concatenate([planes.min(axis=axis), planes.max(axis=axis)]).astype(np.int16)


def _side(lines: NDArray[np.int16], planes: Frame) -> list[int]:
    """Depth, share of the edge in percent, and colour of the border at the first line of `[3, lines, w]`."""
    low, high = np.minimum.accumulate(lines[:3], axis=1), np.maximum.accumulate(lines[3:], axis=1)
    depth = int(np.count_nonzero(np.all(high - low <= FLAT, axis=0)))
    if depth == 0:
        return [0, 100, 0, 0, 0]
    colour = (low[:, depth - 1] + high[:, depth - 1]) // 2
    behind = planes[:, depth : depth + SOFT + 1].astype(np.int16)
    share = (np.abs(behind - colour[:, None, None]).max(axis=0) > DIFFERENT).mean(axis=1).max(initial=0.0)
    return [depth, round(100 * share), *(int(value) for value in colour)]


def scene_borders(seen: Numbers, size: tuple[int, int], ranges: Sequence[tuple[int, int]]) -> list[Borders]:
    """Borders of each scene in lines of the small frames, as far as its film tells.

    Args:
        seen: as `BorderWatch` gives it.
        size: width and height of the small frames.
        ranges: places of the scenes' frames in `seen`.
    """
    longest = (*size, *size)
    depths = np.array([[_depth(seen[a:b, side], longest[side]) for side in range(4)] for a, b in ranges])
    weights = np.array([b - a for a, b in ranges])
    for side in range(4):
        _agree(depths[:, side], weights)
    found = []
    for (start, end), scene in zip(ranges, depths, strict=True):
        found.append(_allowed(seen[start:end], [int(depth) for depth in scene]))
    return found


def _depth(seen: Numbers, length: int) -> int:
    """Depth of one side in a scene `[frames, 5]`; 0: none, `UNKNOWN`: its frames are too dark to tell."""
    telling = seen[seen[:, 0] <= DEEPEST * length]
    if len(telling) < max(2, 0.1 * len(seen)):
        return UNKNOWN
    depth, straight = telling[:, 0], telling[:, 1] >= 100 * STRAIGHT
    edges = depth[straight & (depth >= LEAST_ROWS)]
    inside = (depth < LEAST_ROWS).mean()
    if inside > 1 - AGREED:
        return 0
    if not len(edges):
        return UNKNOWN
    values, counts = np.unique(edges, return_counts=True)
    edge = int(values[np.argmax(counts)])
    at = (np.abs(edges - edge) <= SOFT).sum()
    against = ((depth < edge - SOFT) & (telling[:, 1] >= 100 * STRAIGHT)).sum()
    if against > CONTRADICTED * len(telling):
        return 0
    return edge if at >= AGREED * len(telling) else UNKNOWN


def _agree(depths: Numbers, weights: Numbers) -> None:
    """Give the scenes that cannot tell what most of the film says (in place)."""
    sure = depths != UNKNOWN
    values = np.unique(depths[sure])
    votes = [weights[np.abs(depths - value) <= SOFT].sum() for value in values]
    common = int(values[int(np.argmax(votes))]) if len(values) else 0
    strong = bool(len(values)) and max(votes) * 2 > weights[sure].sum() and sure.sum() * 4 >= len(sure)
    depths[~sure] = common if strong else 0
    if common:
        depths[(depths > 0) & (np.abs(depths - common) <= SOFT)] = common


def _allowed(seen: Numbers, depths: list[int]) -> Borders:
    """The borders whose colour stays, and is black or that of the other side."""
    kept = list(depths)
    for side in range(4):
        if depths[side] and not _is_border(seen, depths, side):
            kept[side] = 0
    return Borders(*kept)


def _is_border(seen: Numbers, depths: list[int], side: int) -> bool:
    own, other = seen[:, side], seen[:, (side + 2) % 4]
    colours = own[own[:, 0] >= depths[side] - SOFT][:, 2:]
    if not len(colours):
        return True  # taken from the rest of the film
    low, high = np.percentile(colours, [5, 95], axis=0)
    if (high - low > 2 * FLAT).any():
        return False
    colour = np.median(colours, axis=0)
    if (colour <= BLACK).all():
        return True
    opposite = np.median(other[:, 2:], axis=0)
    alike = bool((np.abs(opposite - colour) <= FLAT).all())
    return alike and abs(depths[side] - depths[(side + 2) % 4]) <= SOFT


def exact_borders(small: Borders, size: tuple[int, int], frames: Frame) -> Borders | None:
    """Borders in pixels as shown: even sizes, nothing of the border left inside; None: none after all.

    Args:
        small: in lines of the small frames.
        size: width and height of the small frames.
        frames: a few whole frames `[F, H, W, 3]` of the scene.
    """
    height, width = frames.shape[1:3]
    scales = {"left": width / size[0], "right": width / size[0]}
    scales |= {"top": height / size[1], "bottom": height / size[1]}
    turned = frames.transpose(0, 2, 1, 3)
    views = {"left": turned, "top": frames, "right": turned[:, ::-1], "bottom": frames[:, ::-1]}
    found = {
        side: _exact(views[side], getattr(small, side), scales[side])
        for side in SIDES
        if getattr(small, side)
    }
    borders = {side: depth + depth % 2 for side, depth in found.items()}
    for first, second, length in (("left", "right", width), ("top", "bottom", height)):
        if (length - borders.get(first, 0) - borders.get(second, 0)) % 2:
            wider = second if borders.get(second) else first
            if wider in borders:
                borders[wider] += 1
    return Borders(**borders) if any(borders.values()) else None


def _exact(frames: Frame, depth: int, scale: float) -> int:
    """Lines of the border on whole frames `[F, lines, length, 3]`, given its depth on small ones."""
    low, high = max(0, int((depth - SOFT) * scale) - 1), int(np.ceil((depth + SOFT + 2) * scale)) + 1
    colour = np.median(frames[:, : max(1, low)], axis=(0, 1, 2))
    near = np.abs(frames[:, low:high].astype(np.int16) - colour).max(axis=3) > DIFFERENT / 2
    share = near.mean(axis=2).max(axis=0)
    edge = int(np.argmax(share > STRAIGHT / 2)) if (share > STRAIGHT / 2).any() else len(share)
    # The line at the edge is half border where the picture was scaled: it goes too.
    return low + edge + (1 if scale > 1 else 0)
