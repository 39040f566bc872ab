"""Metrics on drawn shapes and tones with known answers."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from ltx_core.evaluation.metrics import (
    centre_distance,
    edge_f1,
    grey_change,
    motion_distance,
    object_centre,
    psnr,
    semitones,
)
from ltx_core.evaluation.sound_metrics import pitch_distance, sound_distance


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


def test_motion_is_compared_wherever_the_object_starts():
    assert motion_distance(clip(20, 30), clip(12, 44)) == pytest.approx(0, abs=0.1)
    # 2 px a frame against none: 2, 4, ..., 16 px.
    assert motion_distance(clip(20, 30), clip(20, 30, step=0)) == pytest.approx(9, abs=0.1)


def test_parts_of_a_picture_are_compared_alone():
    video = clip(20, 30)
    other, where = video.copy(), np.zeros(video.shape[:3], bool)
    where[:, :, 50:] = True
    other[:, :, 50:] -= 10
    assert grey_change(video, other, where) == 10 and grey_change(video, other, ~where) == 0
    assert psnr(video, other, where) == pytest.approx(28.13, abs=0.01)
    assert psnr(video, other, ~where) == math.inf
    assert math.isnan(grey_change(video, other, np.zeros_like(where)))


def tone(hertz: float, seconds: float = 1.0, rate: int = 8000, pan: float = 1.0) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, wave * pan]).astype(np.float32)


def test_sounds_differ_by_level_place_and_pitch():
    assert sound_distance(tone(440), tone(440), 8000) == 0
    assert sound_distance(tone(440), 0.5 * tone(440), 8000) < sound_distance(tone(440), tone(880), 8000)
    assert sound_distance(tone(440), tone(440, pan=0.1), 8000) > 0.5
    assert pitch_distance(tone(440), tone(880), 8000) == pytest.approx(12, abs=0.1)
    assert math.isnan(pitch_distance(tone(440), np.zeros((2, 8000), np.float32), 8000))
    half = np.concatenate([tone(440, 0.5), tone(880, 0.5)], axis=1)
    first = np.arange(10) < 4
    assert sound_distance(half, tone(440), 8000, first) == pytest.approx(0, abs=1e-3)
    assert sound_distance(half, tone(440), 8000, ~first) > 1
    assert pitch_distance(half, tone(440), 8000, first) < 0.1
    assert sound_distance(tone(440, 0.01), tone(440, 0.02), 8000) >= 0
