"""moving: what moves by itself, the camera's own motion taken off.

`background`: frames are laid over the middle one by the camera's motion; the background is the median of each
pixel over time, and what differs from it moves. Exact at edges, for things that go somewhere.
`flow`: where the optical flow differs from the camera's. For things that stay in place and move there.

Both are found in a small copy of the picture, then cleaned: lone pixels and what is seen in one frame alone
go, holes are filled, and things smaller than `least` of the picture are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work
from ltx_core.curation.masking.camera import Motion, camera_flow, motion, to_middle
from ltx_core.curation.masking.target import Frames, Mask, Target
from ltx_core.media.errors import MediaError

Found = NDArray[np.bool_]
LONGEST = 320
"""Pixels of the longer side in which motion is looked for."""
CLOSED = 0.03
"""Gaps that are closed, as a share of the shorter side."""
REACH = 0.1
"""How far a thing goes from one frame to the next at most, as a share of the longer side."""


@dataclass(frozen=True)
class MovingOptions:
    """Motion.

    Attributes:
        by: `background` or `flow`, see above.
        contrast: difference from the background from which a pixel moves, as a share of full scale.
        speed: share of the picture's longer side per frame from which flow counts as motion.
        least: share of the picture that a thing covers at least.
    """

    by: Literal["background", "flow"] = "background"
    contrast: Annotated[float, Gt(0), Lt(1)] = 0.1
    speed: Annotated[float, Gt(0), Lt(1)] = 0.004
    least: Annotated[float, Ge(0), Lt(1)] = 0.004


def find_moving(frames: Frames, options: MovingOptions) -> Found:
    """Where something moves in frames `[F, H, W, 3]`: `[F, H, W]`.

    Raises:
        MediaError: when there is one frame, or nothing large enough moves.
    """
    import cv2

    if len(frames) < 3:
        raise MediaError(f"{len(frames)} frames: what moves is seen in three or more")
    height, width = frames.shape[1:3]
    small = _small(frames)
    greys = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in small])
    seen = motion(greys)
    found = _by_flow(seen, options) if options.by == "flow" else _by_background(small, seen, options)
    clean = _cleaned(found, options.least)
    if not clean.any():
        raise MediaError(
            f"nothing moves: no thing of {options.least:.1%} of the picture or more; lower "
            f"dataset.masks.{'speed' if options.by == 'flow' else 'contrast'} or least"
        )
    large = [cv2.resize(p.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) for p in clean]
    return np.stack(large) > 0.5


def _small(frames: Frames) -> Frames:
    import cv2

    height, width = frames.shape[1:3]
    scale = min(1.0, LONGEST / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def _by_background(small: Frames, seen: Motion, options: MovingOptions) -> Found:
    import cv2

    count, height, width = small.shape[:3]
    places = to_middle(seen.cameras)
    laid = np.empty(small.shape, np.float32)
    for number, place in enumerate(places):
        laid[number] = cv2.warpAffine(small[number], place, (width, height), borderValue=(-1, -1, -1))
        outside = cv2.warpAffine(np.ones((height, width), np.uint8), place, (width, height)) == 0
        laid[number][outside] = np.nan
    middle = np.nan_to_num(_median(laid), nan=-1)
    found = np.empty((count, height, width), bool)
    for number, place in enumerate(places):
        back = cv2.warpAffine(
            middle,
            place,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderValue=(-1,) * 3,
        )
        apart = np.abs(cv2.GaussianBlur(small[number].astype(np.float32) - back, (3, 3), 0)).max(axis=2)
        found[number] = (apart > options.contrast * 255) & (back.min(axis=2) >= 0)
    return found


def _median(laid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each pixel over the frames that show it; NaN where none does."""
    seen = np.isfinite(laid)
    order = np.sort(laid, axis=0)  # NaN last
    which = np.maximum(seen.sum(axis=0, keepdims=True) - 1, 0) // 2
    return np.asarray(np.take_along_axis(order, which, axis=0)[0], np.float32)


def _by_flow(seen: Motion, options: MovingOptions) -> Found:
    height, width = seen.flows[0].shape[:2]
    own = [
        flow - camera_flow(camera, height, width)
        for flow, camera in zip(seen.flows, seen.cameras, strict=True)
    ]
    fast = [np.linalg.norm(one, axis=2) > options.speed * max(height, width) for one in own]
    return np.stack([*fast, fast[-1]])


def _cleaned(found: Found, least: float) -> Found:
    import cv2

    height, width = found.shape[1:]
    side = max(3, round(CLOSED * min(height, width)) | 1)
    lone, gap = (cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (n, n)) for n in (3, side))
    planes = []
    for plane in found.astype(np.uint8):
        whole = cv2.morphologyEx(cv2.morphologyEx(plane, cv2.MORPH_OPEN, lone), cv2.MORPH_CLOSE, gap)
        planes.append(_things(whole, least * height * width))
    return np.stack([_accompanied(planes, number) for number in range(len(planes))])


def _accompanied(planes: list[NDArray[np.uint8]], number: int) -> Found:
    """The things of a frame near which there is something in the frame before or after."""
    import cv2

    beside = np.zeros_like(planes[number])
    for other in (number - 1, number + 1):
        if 0 <= other < len(planes):
            beside |= planes[other]
    reach = 2 * round(REACH * max(beside.shape)) + 1
    near = cv2.dilate(beside, np.ones((reach, reach), np.uint8))
    _, parts = cv2.connectedComponents(planes[number])
    kept = np.unique(parts[(near > 0) & (parts > 0)])
    return np.isin(parts, kept)


def _things(plane: NDArray[np.uint8], area: float) -> NDArray[np.uint8]:
    """The connected parts of at least `area` pixels, holes filled."""
    import cv2

    outlines, _ = cv2.findContours(plane, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = np.zeros(plane.shape, np.uint8)
    for number in range(len(outlines)):
        thing = np.zeros_like(plane)
        cv2.drawContours(thing, outlines, number, 1, cv2.FILLED)
        if thing.sum() >= area:
            found |= thing
    return found


def _make(target: Target, options: MovingOptions, work: Work) -> Mask:
    return np.asarray(~find_moving(target.pixels(), options), np.float32)


MOVING = Kind("moving", "what moves by itself, the camera's motion taken off", MovingOptions, _make)
