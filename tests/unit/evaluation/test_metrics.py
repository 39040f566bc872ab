"""Metrics and the influence of a reference on drawn shapes with known answers."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from ltx_core.evaluation.influence import ReferenceSample, influence
from ltx_core.evaluation.metrics import centre_distance, edge_f1, object_centre, psnr, semitones
from ltx_core.evaluation.rows import LossRow, influence_sentence


def clip(x: float, y: float, frames: int = 9, step: float = 2.0) -> np.ndarray:
    """A red disc of radius 9 that moves right over a vertically shaded ground, [F, 64, 64, 3]."""
    shade = np.linspace(0.8, 1.2, 64)[:, None, None] * np.array([30, 110, 115])
    video = np.repeat(np.broadcast_to(shade, (64, 64, 3))[None], frames, 0).astype(np.uint8)
    for index, frame in enumerate(video):
        cv2.circle(frame, (round(x + index * step), round(y)), 9, (225, 40, 40), -1)
    return video


def edges(frames: np.ndarray) -> np.ndarray:
    return np.stack([cv2.Canny(frame, 60, 120) for frame in frames])


def test_the_centre_of_a_disc_and_the_distance_of_a_moved_one():
    centres = object_centre(clip(20, 30))
    assert centres == pytest.approx(np.stack([20 + 2.0 * np.arange(9), np.full(9, 30)], 1), abs=0.1)
    assert centre_distance(clip(20, 30), clip(25, 30)) == pytest.approx(5, abs=0.1)
    assert centre_distance(clip(20, 30), clip(23, 34)) == pytest.approx(5, abs=0.1)


def test_no_object_is_not_a_number_and_never_zero():
    empty = np.full((9, 64, 64, 3), 90, np.uint8)
    assert np.isnan(object_centre(empty)).all()
    assert math.isnan(centre_distance(empty, clip(20, 30)))
    with pytest.raises(ValueError, match="cannot be compared"):
        centre_distance(empty, clip(20, 30, frames=5))
    with pytest.raises(ValueError, match=r"\[F, H, W, 3\]"):
        object_centre(empty[0])


def test_edge_f1_forgives_one_pixel_and_no_more():
    true = edges(clip(20, 30))
    assert edge_f1(true, true) == 1.0
    assert edge_f1(np.roll(true, 1, 2), true) == 1.0
    assert edge_f1(np.roll(true, 1, 2), true, tolerance=0) < 0.6
    assert edge_f1(edges(clip(20, 50)), true) < 0.3
    assert edge_f1(np.zeros_like(true), true) == 0.0
    assert edge_f1(np.zeros_like(true), np.zeros_like(true)) == 1.0
    assert edge_f1(np.repeat(true[..., None], 3, -1), np.repeat((true > 0)[..., None], 3, -1)) == 1.0


def test_psnr_and_semitones():
    video = clip(20, 30)
    assert psnr(video, video) == math.inf
    assert psnr(np.full_like(video, 100), np.full_like(video, 110)) == pytest.approx(28.13, abs=0.01)
    assert semitones(880, 440) == pytest.approx(12)
    assert math.isnan(semitones(0, 440))


def test_influence_tells_a_followed_reference_from_an_ignored_one():
    losses = [LossRow("video", 0.5, loss, 2, "lora", v) for v, loss in (("right", 0.45), ("wrong", 0.8))]
    true, other = clip(16, 20), clip(16, 45)
    followed = [
        ReferenceSample("a", "right", clip(17, 20), true, true),
        ReferenceSample("a", "wrong", clip(17, 45), true, other),
        ReferenceSample("a", "withheld", clip(16, 32), true),
    ]
    rows = {row.variant: row for row in influence(followed, losses, edges)}
    assert list(rows) == ["right", "wrong", "withheld"]
    assert rows["right"].centre_px == pytest.approx(1, abs=0.1)
    assert rows["wrong"].centre_px == pytest.approx(25, abs=0.2)
    assert rows["wrong"].centre_to_given_px == pytest.approx(1, abs=0.1)
    assert rows["withheld"].centre_to_given_px is None and rows["withheld"].loss is None
    assert rows["right"].edge_f1 == 1.0 and rows["wrong"].edge_f1 < 0.3
    assert influence_sentence(list(rows.values())).startswith("The samples follow their reference: ")
    swapped = [
        ReferenceSample("a", "right", clip(16, 45), true, true),
        ReferenceSample("a", "wrong", clip(16, 22), true, other),
    ]
    assert "no clear influence" in influence_sentence(influence(swapped, [], edges))
    assert influence_sentence([]) == ""
