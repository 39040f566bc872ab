"""Depth made comparable over a clip: no flicker of its scale, and one range for all frames.

A model of single frames gives depth up to a scale and a shift of its own in each frame, which flicker:

1. `low[t]`, `high[t]`: the percentiles `outliers` and 100 - `outliers` of frame t.
2. Both series are smoothed over time: their mean over the clip with weights `smoothing ** |frames apart|`
   (an exponential average that looks both ways, so it does not lag).
3. Frame t is stretched from its own range to the smoothed one. What flickers goes; what changes slowly, as a
   camera that comes nearer, stays.
4. `median`: each pixel becomes the median of three frames in time.
5. The percentiles of all frames together become black and white.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]
SAMPLED = 128
"""Rows and columns that percentiles are taken of, about: a few million values say the same more slowly."""


def steady(depth: Depth, outliers: float = 2.0, smoothing: float = 0.8, median: bool = False) -> Depth:
    """Depth `[F, h, w]` of any scale as values in [0, 1] over the whole clip.

    Args:
        depth: larger is nearer.
        outliers: percent of the values at either end that become black or white.
        smoothing: weight of a frame's neighbours in its range, in [0, 1); 0 leaves each frame as it is.
        median: whether to take the median of three frames.
    """
    if smoothing > 0:
        depth = _aligned(depth, outliers, smoothing)
    if median and len(depth) > 2:
        depth = _median(depth)
    low, high = np.percentile(_sampled(depth), (outliers, 100 - outliers))
    return np.asarray(np.clip((depth - low) / max(high - low, _least(depth)), 0, 1), np.float32)


def _aligned(depth: Depth, outliers: float, smoothing: float) -> Depth:
    low, high = np.percentile(_sampled(depth), (outliers, 100 - outliers), axis=(1, 2))
    apart = np.abs(np.subtract.outer(np.arange(len(depth)), np.arange(len(depth))))
    weights = smoothing**apart
    weights /= weights.sum(axis=1, keepdims=True)
    to_low, to_high = weights @ low, weights @ high
    least = _least(depth)
    scale = np.where(high - low > least, (to_high - to_low) / np.maximum(high - low, least), 1.0)
    shift = to_low - low * scale
    found = depth * scale[:, None, None].astype(np.float32) + shift[:, None, None].astype(np.float32)
    return np.asarray(found, np.float32)


def _least(depth: Depth) -> float:
    """A range below which a frame is flat, as depth has no unit."""
    return max(1e-5 * float(np.abs(depth).max()), float(np.finfo(np.float32).tiny))


def _median(depth: Depth) -> Depth:
    found = depth.copy()
    for number in range(1, len(depth) - 1):
        found[number] = np.median(depth[number - 1 : number + 2], axis=0)
    return found


def _sampled(depth: Depth) -> Depth:
    rows, columns = (max(1, side // SAMPLED) for side in depth.shape[1:])
    return depth[:, ::rows, ::columns]
