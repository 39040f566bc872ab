"""Reference videos: what a control model is shown beside the target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.buckets import Bucket
from ltx_core.curation.options.references import ReferenceOptions

Frames = NDArray[np.uint8]


def reference_bucket(bucket: Bucket, options: ReferenceOptions) -> Bucket:
    """Size and frames of the reference of a clip in `bucket`; that they fit the model is not checked."""
    space, time = options.reference_downscale_factor, options.reference_temporal_scale_factor
    return Bucket(bucket.width // space, bucket.height // space, (bucket.frames - 1) // time + 1)


def make_reference(frames: Frames, kind: str, options: ReferenceOptions) -> Frames:
    """The reference of some frames, each by itself: uint8 `[F, H, W, 3]` from uint8 `[F, H, W, 3]`."""
    if kind == "canny":
        return canny(frames, options.low, options.high)
    return gray(frames) if kind == "gray" else blur(frames, options.blur)


def canny(frames: Frames, low: int = 60, high: int = 120) -> Frames:
    """Canny edges of each frame, white on black: uint8 `[F, H, W, 3]` from uint8 `[F, H, W, 3]`.

    Edges are found in each colour channel and united: a shape of its background's brightness has edges too.
    """
    import cv2

    edges = np.empty_like(frames)
    for number, frame in enumerate(frames):
        planes = [cv2.Canny(np.ascontiguousarray(frame[..., channel]), low, high) for channel in range(3)]
        edges[number] = np.maximum.reduce(planes)[..., None]
    return edges


def gray(frames: Frames) -> Frames:
    """Brightness of each frame (BT.601) in three equal channels: uint8 `[F, H, W, 3]`."""
    import cv2

    found = np.empty_like(frames)
    for number, frame in enumerate(frames):
        found[number] = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None]
    return found


def blur(frames: Frames, sigma: float) -> Frames:
    """Each frame out of focus by a Gaussian of `sigma` pixels: uint8 `[F, H, W, 3]`."""
    import cv2

    found = np.empty_like(frames)
    for number, frame in enumerate(frames):
        found[number] = cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return found
