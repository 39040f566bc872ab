"""Masks that need no model: what each generates of drawn clips and sounds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.curation.kinds import Work
from ltx_core.curation.masking.audio_energy import energy_spans
from ltx_core.curation.masking.audio_function import audio_mask_of_function
from ltx_core.curation.masking.kinds import MASKS
from ltx_core.curation.masking.latent import latent_mask
from ltx_core.curation.masking.make import make_mask
from ltx_core.curation.masking.moving import find_moving
from ltx_core.curation.masking.refine import refine
from ltx_core.curation.masking.target import Target
from ltx_core.curation.options.masks import AudioMaskOptions, MaskOptions
from ltx_core.errors import LtxError
from ltx_core.geometry.grid import VideoScale
from ltx_core.media.errors import MediaError

SCALE = VideoScale(8, 32, 32)
RATE = 8000


def texture(seed, height, width, sigma):
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), sigma), None, 0, 255, cv2.NORM_MINMAX)


def moving_square(pan=0.0, zoom=0.0, step=6, frames=13, height=144, width=192, side=36):
    """A textured square over a texture, and where it is; the camera pans and zooms."""
    ground, square = texture(0, 3 * height, 3 * width, 2), texture(1, side, side, 1.5)
    shown, where = [], np.zeros((frames, height, width), bool)
    for number in range(frames):
        camera = np.array([[1 + zoom * number, 0, -60 - pan * number], [0, 1 + zoom * number, -60]], float)
        frame = cv2.warpAffine(ground, camera, (width, height))
        left, top = 12 + step * number, 30 + number
        frame[top : top + side, left : left + side] = square
        where[number, top : top + side, left : left + side] = True
        shown.append(frame)
    return np.stack(shown), where


def overlap(one, other):
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize(
    ("camera", "by"),
    [({}, "background"), ({"pan": 3}, "background"), ({"zoom": 0.01}, "background"), ({}, "flow")],
)
def test_what_moves_by_itself_is_generated_whatever_the_camera_does(camera, by):
    frames, where = moving_square(**camera)
    target = Target(*frames.shape[:3], pixels=lambda: frames)
    mask = MASKS["moving"].make(target, MaskOptions("moving", by=by), Work("clip"))
    assert mask.shape == where.shape and mask.dtype == np.float32 and set(np.unique(mask)) == {0, 1}
    assert overlap(mask == 0, where) > 0.7
    assert min(overlap(one == 0, other) for one, other in zip(mask, where, strict=True)) > 0.5


def test_a_moving_camera_alone_moves_nothing():
    frames = np.stack([texture(0, 300, 400, 2)[n * 2 : 144 + n * 2, n * 3 : 192 + n * 3] for n in range(13)])
    for by in ("background", "flow"):
        with pytest.raises(MediaError, match=r"nothing moves: no thing of 0\.4% of the picture"):
            find_moving(frames, MaskOptions("moving", by=by))
    frames, _ = moving_square()
    with pytest.raises(MediaError, match="nothing moves"):
        find_moving(frames, MaskOptions("moving", least=0.2))
    with pytest.raises(MediaError, match="1 frames: what moves is seen in three or more"):
        find_moving(frames[:1], MaskOptions("moving"))


@settings(max_examples=40, deadline=None)
@given(
    latents=st.integers(2, 16),
    coverage=st.floats(0.05, 0.9),
    spans=st.integers(1, 5),
    seed=st.integers(0, 50),
)
def test_spans_are_whole_latent_frames_some_kept_some_generated(latents, coverage, spans, seed):
    target = Target(8 * (latents - 1) + 1, 32, 64, SCALE)
    options = MaskOptions("spans", coverage=coverage, spans=spans, seed=seed)
    mask = make_mask("spans", target, options, Work("clip"))
    cells = latent_mask(mask, SCALE)
    assert set(np.unique(cells)) == {0, 1} and np.ptp(cells, axis=(1, 2)).max() == 0
    generated = int((cells[:, 0, 0] == 0).sum())
    assert generated == np.clip(round(coverage * latents), 1, latents - 1)
    edges = np.diff(np.concatenate([[1], cells[:, 0, 0], [1]]))
    assert 1 <= int((edges < 0).sum()) <= spans


def test_spans_differ_from_clip_to_clip():
    target, options = Target(89, 32, 32, SCALE), MaskOptions("spans")
    made = [make_mask("spans", target, options, Work(f"clip {n}")).tobytes() for n in range(12)]
    assert len(set(made)) > 8
    assert made[0] == make_mask("spans", target, options, Work("clip 0")).tobytes()


def test_masks_are_turned_round_grown_and_softened_at_their_edge():
    mask = np.ones((2, 64, 64), np.float32)
    mask[:, 24:40, 20:40] = 0
    assert np.array_equal(refine(mask, MaskOptions(invert=True)), 1 - mask)
    grown = refine(mask, MaskOptions(grow=5))[0]
    assert grown[19:45, 20:40].max() == 0 and grown[24:40, 15:45].max() == 0
    assert grown[:18].min() == 1 and grown[:, :14].min() == 1
    shrunk = refine(mask, MaskOptions(grow=-3))[0]
    assert shrunk[27:37, 23:37].max() == 0 and (shrunk == 0).sum() == 10 * 14
    soft = refine(mask, MaskOptions(feather=4))[0]
    assert np.array_equal(soft == 0, mask[0] == 0)  # what is generated stays so
    np.testing.assert_allclose(soft[30, 40:46], [0.2, 0.4, 0.6, 0.8, 1, 1], atol=1e-6)
    every = refine(mask, MaskOptions(invert=True, grow=2, feather=3))
    assert every[0, 30, 30] == 1 and every[0, 24, 30] == 0 and 0 < every[0, 27, 30] < 1
    assert refine(np.ones((1, 8, 8), np.float32), MaskOptions(feather=4)).min() == 1


def test_drawn_shapes_are_drawn_again_until_a_cell_is_generated_after_they_were_refined():
    fine = VideoScale(8, 16, 16)
    target = Target(9, 64, 64, fine)
    for options in (MaskOptions("boxes", coverage=0.3), MaskOptions("boxes", coverage=0.5, invert=True)):
        for number in range(8):
            mask = make_mask("boxes", target, options, Work(f"clip {number}"))
            assert latent_mask(mask, fine).min() == 0


def test_a_users_function_makes_masks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_masks.py").write_text(
        "def dark(frames): return frames.mean(axis=3) > 100\n"
        "def far(frames): return frames[..., 0] / 100\n"
        "def late(wave, rate):\n    kept = wave[0] * 0 + 1\n    kept[rate // 2:] = 0\n    return kept\n"
    )
    frames = np.zeros((9, 32, 32, 3), np.uint8)
    frames[:, :, 16:] = 200
    target = Target(9, 32, 32, SCALE, lambda: frames)
    mask = make_mask("function", target, MaskOptions("function", function="my_masks:dark"), Work("clip"))
    assert mask[:, :, :16].max() == 0 and mask[:, :, 16:].min() == 1
    with pytest.raises(
        LtxError, match=r"my_masks:far returned an array \[9, 32, 32\] of float64; .*in \[0, 1\]"
    ):
        make_mask("function", target, MaskOptions("function", function="my_masks:far"), Work("clip"))
    heard = audio_mask_of_function("my_masks:late", np.zeros((2, RATE), np.float32), RATE)
    assert (
        heard.rate == RATE and heard.values[: RATE // 2].min() == 1 and heard.values[RATE // 2 :].max() == 0
    )


def noise(level, seconds, seed=0):
    wave = np.random.default_rng(seed).standard_normal((2, round(seconds * RATE)))
    return (level * wave).astype(np.float32)


def test_loud_and_quiet_stretches_are_told_apart_by_the_sounds_own_level():
    for level in (0.3, 0.003):  # however loud it is as a whole
        wave = np.concatenate([noise(level / 50, 1), noise(level, 1.5), noise(level / 50, 0.5)], axis=1)
        (loud,) = energy_spans(wave, RATE, AudioMaskOptions("energy"))
        assert loud == (pytest.approx(1.0, abs=0.03), pytest.approx(2.5, abs=0.03))
        quiet = energy_spans(wave, RATE, AudioMaskOptions("energy", generate="quiet"))
        assert [round(edge, 1) for span in quiet for edge in span] == [0.0, 1.0, 2.5, 3.0]
    assert energy_spans(wave, RATE, AudioMaskOptions("energy", below_db=-40)) == [(0.0, 3.0)]
    gaps = np.concatenate([noise(0.3, 1), noise(0.001, 0.12), noise(0.3, 1)], axis=1)
    assert len(energy_spans(gaps, RATE, AudioMaskOptions("energy", shortest_s=0.2))) == 1
    assert len(energy_spans(gaps, RATE, AudioMaskOptions("energy", shortest_s=0.05))) == 2
    with pytest.raises(MediaError, match="silent"):
        energy_spans(np.zeros((2, RATE), np.float32), RATE, AudioMaskOptions("energy"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "sam2", "prompt": "point"}, "prompt is point, and no point is stated"),
        ({"kind": "sam2", "prompt": "box", "box": (0.5, 0.1, 0.4, 0.9)}, "left, top, right, bottom"),
        ({"kind": "function", "function": "x"}, "package.module:function"),
    ],
)
def test_options_of_masks_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MaskOptions(**options)
