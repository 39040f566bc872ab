"""Metrics on decoded frames: where the object is, how it moves, how well edges agree, PSNR. numpy and OpenCV.

Design choices
- The background is the median of each row of each frame: right for plain and vertically shaded grounds, for
  resting and moving objects, as long as the object covers less than half of a row, as in the demo's footage.
- A number that cannot be measured is NaN, never 0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
"""`[F, H, W, 3]` RGB."""

FOREGROUND_DISTANCE = 60.0
"""Euclidean RGB distance to the row's median above which a pixel belongs to the object (the demo's
plain colours lie 90 and more from their ground)."""
MIN_OBJECT_PIXELS = 12
"""Fewer pixels than this are no object (measured on 64 x 64 pixels)."""
SEMITONES_PER_OCTAVE = 12


def foreground(frames: Frames, threshold: float = FOREGROUND_DISTANCE) -> NDArray[np.bool_]:
    """`[F, H, W]` bool: pixels that differ from the median of their row by more than `threshold`."""
    _check_frames(frames)
    values = frames.astype(np.float32)
    background = np.median(values, axis=2, keepdims=True)
    distance = np.sqrt(np.square(values - background).sum(-1))
    result: NDArray[np.bool_] = distance > threshold
    return result


def object_centre(frames: Frames, threshold: float = FOREGROUND_DISTANCE) -> NDArray[np.float64]:
    """Centre (x, y) in pixels of what differs from the background, `[F, 2]`; NaN where there is no object.

    Args:
        frames: uint8 `[F, H, W, 3]`.
        threshold: see `foreground`.

    Raises:
        ValueError: when the frames have another shape.
    """
    mask = foreground(frames, threshold)
    centres = np.full((len(frames), 2), np.nan)
    for index, frame in enumerate(mask):
        rows, columns = np.nonzero(frame)
        if len(rows) >= MIN_OBJECT_PIXELS:
            centres[index] = columns.mean(), rows.mean()
    return centres


def centre_distance(generated: Frames, true: Frames, threshold: float = FOREGROUND_DISTANCE) -> float:
    """Mean distance in pixels between the objects of two clips over the frames in which both have one.

    Returns:
        NaN when there is no such frame.

    Raises:
        ValueError: when the clips differ in shape.
    """
    _check_equal(generated, true)
    offsets = object_centre(generated, threshold) - object_centre(true, threshold)
    distances = np.sqrt(np.square(offsets).sum(-1))
    found = distances[np.isfinite(distances)]
    return float(found.mean()) if len(found) else math.nan


def motion_distance(generated: Frames, true: Frames, threshold: float = FOREGROUND_DISTANCE) -> float:
    """As `centre_distance`, with both objects moved to one place in the first frame: how the motions differ.

    Returns:
        NaN when one of the clips shows no object in its first frame, or no later frame shows both.

    Raises:
        ValueError: when the clips differ in shape.
    """
    _check_equal(generated, true)
    first, second = (object_centre(frames, threshold) for frames in (generated, true))
    offsets = (first[1:] - first[:1]) - (second[1:] - second[:1])
    distances = np.sqrt(np.square(offsets).sum(-1))
    found = distances[np.isfinite(distances)]
    return float(found.mean()) if len(found) else math.nan


def edge_f1(generated: NDArray[np.generic], true: NDArray[np.generic], tolerance: int = 1) -> float:
    """F1 of two edge maps: an edge pixel counts when the other map has one within `tolerance` pixels.

    Args:
        generated: `[F, H, W]`, or `[F, H, W, 3]` as reference frames are stored; an edge where the value is
            at least half of the type's range (bool: True).
        true: the same shape.
        tolerance: pixels along each axis.

    Returns:
        0 to 1 over the whole clip; 1 when neither map has an edge.

    Raises:
        ValueError: when the shapes differ.
    """
    _check_equal(generated, true)
    found, wanted = _as_edges(generated), _as_edges(true)
    if not found.any() and not wanted.any():
        return 1.0
    hits = int((found & _grow(wanted, tolerance)).sum())
    covered = int((wanted & _grow(found, tolerance)).sum())
    if not hits or not covered:
        return 0.0
    precision, recall = hits / int(found.sum()), covered / int(wanted.sum())
    return 2 * precision * recall / (precision + recall)


def psnr(generated: Frames, true: Frames, where: NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio in dB, infinity when they are equal; of pixels `where` `[F, H, W]` holds.

    Returns:
        NaN when there is no such pixel.

    Raises:
        ValueError: when the shapes differ.
    """
    error = _mean(np.square(_difference(generated, true)), where)
    return math.inf if error == 0 else 10 * math.log10(255.0**2 / error)


def grey_change(generated: Frames, other: Frames, where: NDArray[np.bool_] | None = None) -> float:
    """Mean absolute difference of two clips in levels of 255, of pixels `where` `[F, H, W]` holds.

    Raises:
        ValueError: when the shapes differ.
    """
    return _mean(np.abs(_difference(generated, other)), where)


def _difference(first: Frames, second: Frames) -> NDArray[np.float64]:
    _check_equal(first, second)
    return first.astype(np.float64) - second.astype(np.float64)


def _mean(values: NDArray[np.float64], where: NDArray[np.bool_] | None) -> float:
    chosen = values if where is None else values[where]
    return float(chosen.mean()) if chosen.size else math.nan


def semitones(first_hz: float, second_hz: float) -> float:
    """Distance of two pitches in semitones, signed: positive when the first is higher; NaN for silence."""
    if not (first_hz > 0 and second_hz > 0):
        return math.nan
    return SEMITONES_PER_OCTAVE * math.log2(first_hz / second_hz)


def _as_edges(edges: NDArray[np.generic]) -> NDArray[np.bool_]:
    flat = edges.max(-1) if edges.ndim == 4 else edges
    half = 128.0 if flat.dtype == np.uint8 else 0.5
    result: NDArray[np.bool_] = flat.astype(np.float32) >= half
    return result


def _grow(edges: NDArray[np.bool_], tolerance: int) -> NDArray[np.bool_]:
    import cv2

    kernel = np.ones((2 * tolerance + 1, 2 * tolerance + 1), np.uint8)
    return np.stack([cv2.dilate(frame.astype(np.uint8), kernel) > 0 for frame in edges])


def _check_frames(frames: Frames) -> None:
    if frames.ndim != 4 or frames.shape[-1] != 3:
        raise ValueError(f"frames are {frames.shape}; they must be [F, H, W, 3]")


def _check_equal(first: NDArray[np.generic], second: NDArray[np.generic]) -> None:
    if first.shape != second.shape:
        raise ValueError(
            f"clips of shapes {first.shape} and {second.shape} cannot be compared; give equal shapes"
        )
