"""Borders are cut away to the pixel; darkness, flat skies and writing are no borders."""

import cv2
import numpy as np
import pytest

from ltx_core.curation.cutting.scene import Borders
from ltx_core.curation.options.scenes import SceneOptions
from ltx_core.curation.scenes import detect_scenes
from ltx_core.media.write import write_video

WIDTH, HEIGHT = 320, 240


def texture(count, width, height, seed=0, level=120.0, spread=60.0):
    """Moving frames `[F, h, w, 3]` with detail everywhere."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width + 4 * count, 3)), (0, 0), 5)
    picture = np.clip(level + noise / noise.std() * spread, 0, 255).astype(np.uint8)
    return np.stack([picture[:, 4 * n : 4 * n + width] for n in range(count)])


def boxed(frames, left=0, top=0, right=0, bottom=0, colour=(0, 0, 0)):
    """The frames within borders, at the full size."""
    out = np.full((len(frames), HEIGHT, WIDTH, 3), colour, np.uint8)
    for number, frame in enumerate(frames):
        size = WIDTH - left - right, HEIGHT - top - bottom
        out[number, top : HEIGHT - bottom, left : WIDTH - right] = cv2.resize(frame, size)
    return out


def found(tmp_path, *shots, detector="content"):
    path = tmp_path / "boxed.mp4"
    write_video(path, np.concatenate(shots), 24, crf=20)
    return [scene.borders for scene in detect_scenes(path, SceneOptions(detector=detector, min_length=0.2))]


@pytest.mark.parametrize(
    "given",
    [
        {"top": 30, "bottom": 30},
        {"left": 40, "right": 40},
        {"top": 22, "bottom": 36},
        {"left": 30, "right": 30, "top": 20, "bottom": 20},
        {"top": 30, "bottom": 30, "colour": (255, 255, 255)},
        {"bottom": 40},
    ],
    ids=["letterbox", "pillarbox", "unequal", "window", "white", "one side"],
)
def test_borders_are_found_with_nothing_of_them_left_and_little_of_the_picture_lost(tmp_path, given):
    (borders,) = found(tmp_path, boxed(texture(20, WIDTH, HEIGHT), **given))
    for side in ("left", "top", "right", "bottom"):
        true = given.get(side, 0)
        assert getattr(borders, side) % 2 == 0
        assert true <= getattr(borders, side) <= true + 4 if true else getattr(borders, side) == 0


def test_pictures_without_borders_have_none(tmp_path):
    bright = texture(14, WIDTH, HEIGHT)
    night = texture(14, WIDTH, HEIGHT, 1, level=8, spread=3)
    lamp = night.copy()
    lamp[:, 60:150, 100:220] = texture(14, 120, 90, 2)  # a lit window in the dark
    sky = texture(14, WIDTH, HEIGHT, 3)
    sky[:, :80] = (90, 150, 230)  # a flat sky over a straight horizon
    roofs = texture(14, WIDTH, HEIGHT, 4)
    roofs[:, :60] = 0
    roofs[:, 40:60, 200:260] = 150  # black above a house that stands out of a straight row
    title = np.zeros((14, HEIGHT, WIDTH, 3), np.uint8)
    title[:, 100:140, 60:260] = texture(14, 200, 40, 5)
    for shot in (bright, night, lamp, sky, roofs, title):
        assert found(tmp_path, shot, detector="none") == [None]


def test_dark_scenes_take_the_borders_of_their_film_and_writing_in_a_border_does_not_end_it(tmp_path):
    shots = [boxed(texture(16, WIDTH, HEIGHT, seed), top=30, bottom=30) for seed in range(3)]
    night = boxed(texture(16, WIDTH, HEIGHT, 7, level=4, spread=1), top=30, bottom=30)
    night[:, 110:120, 150:160] = 90
    spoken = shots[1].copy()
    spoken[4:12, 218:228, 100:220] = texture(8, 120, 10, 9)  # a subtitle in the lower border
    borders = found(tmp_path, shots[0], spoken, night, shots[2])
    assert len(borders) >= 4 and set(borders) == {Borders(0, 32, 0, 32)}


def test_one_film_may_hold_shots_with_and_without_borders(tmp_path):
    whole = texture(16, WIDTH, HEIGHT, 1)
    borders = found(tmp_path, boxed(texture(16, WIDTH, HEIGHT), top=30, bottom=30), whole)
    assert borders[0] is not None and borders[1] is None
