"""Masks that are given as files: one image for all frames, or a video cut and fitted like its clip."""

import cv2
import numpy as np
import pytest

from ltx_core.curation.masking.files import read_mask
from ltx_core.curation.masking.latent import latent_mask
from ltx_core.geometry.grid import VideoScale
from ltx_core.media.errors import MediaError
from ltx_core.media.write import write_video

SCALE = VideoScale(4, 16, 16)


def test_an_image_is_one_mask_for_all_frames_and_keeps_its_soft_values(tmp_path):
    path = tmp_path / "mask.png"
    drawn = np.zeros((96, 192), np.uint8)  # wider than its clip: the centre is kept
    drawn[:, 96:] = 255
    drawn[:48, 48:96] = 51
    cv2.imwrite(str(path), drawn)
    mask = read_mask(path, 64, 64, 9, 8)
    assert mask.shape == (9, 64, 64) and mask.dtype == np.float32
    cells = latent_mask(mask, SCALE)
    assert cells.shape == (3, 4, 4)
    np.testing.assert_allclose(cells[:, :2, :2], 0.2, atol=2e-3)
    assert (cells[:, 2:, :2] == 0).all() and (cells[:, :, 2:] == 1).all()
    assert set(np.unique(latent_mask(mask, SCALE, 0.5))) == {0.0, 1.0}


def test_a_video_is_cut_at_the_clip_and_loses_the_noise_of_its_codec(tmp_path):
    path = tmp_path / "mask.mp4"
    frames = np.zeros((24, 64, 64, 3), np.uint8)
    frames[8:16] = 255  # the second of three seconds at 8 frames a second is kept
    frames[16:, :, 32:] = 128
    write_video(path, frames, 8, crf=23)
    assert (read_mask(path, 64, 64, 8, 8, 1.0) == 1).all()
    assert (read_mask(path, 32, 32, 8, 8) == 0).all()
    soft = latent_mask(read_mask(path, 64, 64, 5, 8, 2.0), SCALE)
    np.testing.assert_allclose(soft[:, :, 2:], 0.5, atol=0.03)
    assert (soft[:, :, 0] == 0).all()
    assert read_mask(path, 64, 64, 12, 4).mean(axis=(1, 2)).round().tolist() == [0] * 4 + [1] * 4 + [0] * 4


def test_a_file_that_is_no_mask_of_the_clip_is_refused(tmp_path):
    path = tmp_path / "mask.mp4"
    write_video(path, np.zeros((9, 64, 64, 3), np.uint8), 8)
    assert read_mask(path, 64, 64, 9, 8).shape == (9, 64, 64)
    with pytest.raises(MediaError, match=r"ends at 1\.12 s; its target needs 9 frames .* to 1\.50 s"):
        read_mask(path, 64, 64, 9, 8, 0.5)
    (tmp_path / "mask.txt").write_text("white")
    with pytest.raises(MediaError, match="a text file, not a video"):
        read_mask(tmp_path / "mask.txt", 64, 64, 9, 8)
