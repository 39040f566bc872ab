"""What is lost when a picture is fitted to a shape: pixels that are cut off, detail, and sharpness.

A picture is scaled until it covers the shape, then cropped in its middle (`media.fit`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.buckets import Bucket

FULL = 0.88
"""A shape with so much of the full area is as good as one with all of it: sides are multiples of a unit."""
BLUR = 0.25
"""What an enlargement to twice the size costs, as a share of the pixels."""

Numbers = NDArray[np.float64]


def upscale(width: float, height: float, shape_width: float, shape_height: float) -> float:
    """How much a picture is enlarged to cover a shape; below 1 it is made smaller."""
    return max(shape_width / width, shape_height / height)


def kept_pixels(width: Any, height: Any, shape_width: Any, shape_height: Any) -> Any:
    """Share of a picture's pixels that are not cut off; numbers or arrays."""
    aspect, other = width / height, shape_width / shape_height
    return np.minimum(aspect, other) / np.maximum(aspect, other)


def worth(width: Any, height: Any, shape_width: Any, shape_height: Any, full: float, limit: float) -> Numbers:
    """How much of a picture a shape keeps, at most 1; numbers or arrays.

    Args:
        width, height: of the picture.
        shape_width, shape_height: of the shape.
        full: area of the largest shapes: a smaller shape loses detail of a picture that has it.
        limit: enlargement above which a shape is worth nothing; `math.inf`: none.
    """
    larger = np.maximum(shape_width / width, shape_height / height)
    detail = np.minimum(1.0, shape_width * shape_height / (FULL * np.minimum(full, width * height)))
    kept = kept_pixels(width, height, shape_width, shape_height) * detail
    blurred = kept - BLUR * np.log2(np.maximum(1.0, larger))
    found: Numbers = np.where(larger <= limit + 1e-9, np.round(np.maximum(blurred, 0.0), 9), 0.0)
    return found


def best_bucket(
    width: int, height: int, frames: int, buckets: Sequence[Bucket], limit: float
) -> Bucket | None:
    """The chosen bucket that keeps most of a clip, then the one with most frames.

    Args:
        width, height: of its pictures.
        frames: that it holds at the dataset's rate.
        buckets: those that were chosen together.
        limit: enlargement that is allowed.

    Returns:
        None when the clip is shorter than every bucket, or too small for those that are no longer.
    """
    fitting = [bucket for bucket in buckets if bucket.frames <= frames]
    fitting = [bucket for bucket in fitting if bucket.frames > 1] or fitting
    full = max((bucket.width * bucket.height for bucket in buckets), default=0)
    found = [
        (float(worth(width, height, b.width, b.height, full, limit)), b.frames, b.width * b.height, b)
        for b in fitting
        if upscale(width, height, b.width, b.height) <= limit + 1e-9
    ]
    return max(found)[-1] if found else None


def too_small(width: int, height: int, buckets: Sequence[Bucket]) -> str:
    """Why a picture fits none of `buckets`: it would be enlarged too much for the one that asks least."""
    least = min(buckets, key=lambda b: (upscale(width, height, b.width, b.height), -b.frames, b))
    factor = upscale(width, height, least.width, least.height)
    return f"smaller than its bucket: {width}x{height} for {least.width}x{least.height} (x{factor:.3g})"


def no_limit(limit: float | None) -> float:
    """A limit of enlargement as a number."""
    return math.inf if limit is None else limit
