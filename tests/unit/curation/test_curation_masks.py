"""Masks are a function of clip and options; their mean over latent cells follows the causal rule."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.curation.kinds import Work
from ltx_core.curation.masking.kinds import MASKS
from ltx_core.curation.masking.latent import frames_mask, latent_mask, mask_frames
from ltx_core.curation.masking.target import Target
from ltx_core.curation.options.masks import MaskOptions
from ltx_core.curation.options.references import ReferenceOptions
from ltx_core.curation.referencing.canny import canny
from ltx_core.geometry.grid import VideoScale
from ltx_core.media.decode import read_frames
from ltx_core.media.write import write_video

CODE = """
import hashlib
from ltx_core.curation.kinds import Work
from ltx_core.curation.masking.kinds import MASKS
from ltx_core.curation.masking.target import Target
from ltx_core.curation.options.masks import MaskOptions
made = [MASKS[k].make(Target(9, 64, 96), MaskOptions(k), Work("clip")) for k in ("boxes", "strokes")]
print(hashlib.sha256(b"".join(mask.tobytes() for mask in made)).hexdigest())
"""


def make_mask(clip_id, frames, height, width, options):
    return MASKS[options.kind].make(Target(frames, height, width), options, Work(clip_id))


@pytest.mark.parametrize("kind", ["boxes", "strokes"])
def test_masks_are_binary_move_and_cover_about_the_share_asked_for(kind):
    options = MaskOptions(kind, coverage=0.3)
    masks = [make_mask(f"clip {n}", 9, 64, 96, options) for n in range(40)]
    assert all(set(np.unique(mask)) == {0.0, 1.0} for mask in masks)
    assert all(mask.dtype == np.float32 and mask.shape == (9, 64, 96) for mask in masks)
    assert all((mask == 0).any((1, 2)).all() for mask in masks)
    assert 0.2 < np.mean([1 - mask.mean() for mask in masks]) < 0.45
    assert np.mean([not np.array_equal(mask[0], mask[-1]) for mask in masks]) > 0.9
    assert len({mask.tobytes() for mask in masks}) == 40
    assert not np.array_equal(masks[0], make_mask("clip 0", 9, 64, 96, MaskOptions(kind, seed=1)))
    assert make_mask("clip", 1, 32, 32, options).shape == (1, 32, 32)


def test_masks_are_equal_in_every_process():
    here = hashlib.sha256(
        b"".join(make_mask("clip", 9, 64, 96, MaskOptions(kind)).tobytes() for kind in ("boxes", "strokes"))
    ).hexdigest()
    assert subprocess.check_output([sys.executable, "-c", CODE], text=True).strip() == here


@pytest.mark.parametrize("kind", ["boxes", "strokes"])
def test_a_mask_survives_its_video(tmp_path, kind):
    mask = make_mask("clip", 9, 64, 64, MaskOptions(kind))
    write_video(tmp_path / "mask.mp4", mask_frames(mask), 8, crf=4)
    np.testing.assert_array_equal(frames_mask(read_frames(tmp_path / "mask.mp4", range(9))), mask)


def test_pixel_frames_belong_to_one_latent_by_the_causal_rule():
    scale = VideoScale(8, 32, 32)
    for frames, latents in (((9, 17), [2]), ((1, 2), [1]), ((0, 1), [0]), ((8, 10), [1, 2])):
        mask = np.zeros((25, 64, 64), np.float32)
        mask[frames[0] : frames[1]] = 1
        cells = latent_mask(mask, scale)
        assert cells.shape == (4, 2, 2)
        assert np.flatnonzero(cells.any((1, 2))).tolist() == latents
        expected = {(9, 17): 1.0, (1, 2): 1 / 8, (0, 1): 1.0, (8, 10): 1 / 8}[frames]
        assert np.all(cells[latents] == np.float32(expected))
    corner = np.zeros((9, 64, 64), np.float32)
    corner[:, :16, :16] = 1
    assert latent_mask(corner, scale)[:, 0, 0].tolist() == [0.25, 0.25]
    assert latent_mask(corner, scale, 0.5).max() == 0
    assert latent_mask(corner, scale, 0.25)[:, 0, 0].tolist() == [1, 1]


@settings(max_examples=50, deadline=None)
@given(
    latents=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
    factors=st.tuples(st.sampled_from([1, 4, 8]), st.sampled_from([2, 8]), st.sampled_from([2, 8])),
    seed=st.integers(0, 1000),
)
def test_the_mean_over_all_pixels_is_kept(latents, factors, seed):
    frames = factors[0] * (latents[0] - 1) + 1
    shape = frames, latents[1] * factors[1], latents[2] * factors[2]
    mask = np.random.default_rng(seed).random(shape, np.float32)
    cells = latent_mask(mask, VideoScale(*factors)).astype(np.float64)
    assert cells.shape == latents
    weights = np.array([1] + [factors[0]] * (latents[0] - 1)) / frames
    assert (cells.mean((1, 2)) * weights).sum() == pytest.approx(mask.mean(dtype=np.float64), abs=1e-5)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="use 9 or 17"):
        latent_mask(np.ones((10, 64, 64), np.float32), VideoScale(8, 32, 32))
    with pytest.raises(ValueError, match="multiples of 32 and 32"):
        latent_mask(np.ones((9, 64, 60), np.float32), VideoScale(8, 32, 32))


def test_canny_sees_edges_that_only_one_channel_shows():
    frames = np.full((2, 64, 64, 3), (120, 90, 60), np.uint8)
    frames[:, 20:44, 20:44] = (120, 90, 200)
    edges = canny(frames)
    assert edges.shape == frames.shape
    assert set(np.unique(edges)) == {0, 255}
    assert np.array_equal(edges[..., 0], edges[..., 1])
    rows, columns = np.nonzero(edges[0, ..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((20, 44, 20, 44), abs=1)
    assert not canny(frames, 250, 255)[0, 25:40, 25:40].any()
    with pytest.raises(ValueError, match="low must not be above high"):
        ReferenceOptions(low=130, high=120)
