"""What is done to a mask of any kind once it is made: turned round, grown, softened at its edge."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from ltx_core.curation.masking.target import Mask


@dataclass(frozen=True)
class RefineOptions:
    """In the order in which they are done.

    Attributes:
        invert: generate what would be kept, and keep what would be generated.
        grow: pixels by which the generated part grows in every direction; below 0 it shrinks.
        feather: pixels around the generated part over which the mask rises from 0 to 1.
    """

    invert: bool = False
    grow: int = 0
    feather: Annotated[int, Ge(0)] = 0


def changed(options: RefineOptions) -> dict[str, Any]:
    """The options that do something, for a row's key."""
    found = {one.name: getattr(options, one.name) for one in fields(RefineOptions)}
    return {name: value for name, value in found.items() if value != asdict(RefineOptions())[name]}


def refine(mask: Mask, options: RefineOptions) -> Mask:
    """A mask `[F, H, W]` in [0, 1], refined; frames are independent of each other."""
    if options.invert:
        mask = 1 - mask
    if options.grow:
        mask = np.stack([_grown(plane, options.grow) for plane in mask])
    if options.feather:
        mask = np.stack([_feathered(plane, options.feather) for plane in mask])
    return mask


def _grown(plane: Mask, pixels: int) -> Mask:
    import cv2

    side = 2 * abs(pixels) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    found = cv2.erode(plane, kernel) if pixels > 0 else cv2.dilate(plane, kernel)
    return np.asarray(found, np.float32)


def _feathered(plane: Mask, pixels: int) -> Mask:
    """The generated part itself stays as it is: what is held in the least bears no loss."""
    import cv2

    kept = (plane >= 0.5).astype(np.uint8)
    if kept.all():
        return plane
    apart = cv2.distanceTransform(kept, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.minimum(plane, np.clip(apart / (pixels + 1), 0, 1)), np.float32)
