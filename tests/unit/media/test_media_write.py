"""Written files are whole or absent, and their bytes are a function of the input."""

import resource
import signal
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from media_files import counted_frames, tone

from ltx_core.media.decode import read_frames
from ltx_core.media.fit import decode_size, fit, fit_box, fit_mask
from ltx_core.media.probe import probe
from ltx_core.media.sheet import Strip, contact_sheet, pick_frames, side_by_side, thumbnail
from ltx_core.media.write import encode_video, write_video


def test_equal_input_gives_equal_bytes_in_every_process(tmp_path):
    code = (
        "import sys, hashlib; sys.path.insert(0, 'tests/unit/media'); from media_files import *;"
        "from ltx_core.media.write import encode_video;"
        "print(hashlib.sha256(encode_video(counted_frames(30), 24, tone(440, 1), 16000)).hexdigest())"
    )
    runs = {subprocess.check_output([sys.executable, "-c", code]) for _ in range(2)}
    assert len(runs) == 1
    write_video(tmp_path / "again.mp4", counted_frames(30), 24, tone(440, 1), 16000)
    assert (tmp_path / "again.mp4").read_bytes() == encode_video(counted_frames(30), 24, tone(440, 1), 16000)
    assert [path.name for path in tmp_path.iterdir()] == ["again.mp4"]


def test_lossless_keeps_every_value_and_rates_are_exact(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (5, 32, 48, 3), np.uint8)
    write_video(tmp_path / "exact.mp4", frames, Fraction(30000, 1001), lossless=True)
    np.testing.assert_array_equal(read_frames(tmp_path / "exact.mp4", range(5)), frames)
    assert probe(tmp_path / "exact.mp4").fps == pytest.approx(29.97003, abs=1e-5)
    write_video(tmp_path / "float.mp4", frames, 29.97002997)
    assert probe(tmp_path / "float.mp4").fps == probe(tmp_path / "exact.mp4").fps


def test_colours_survive(tmp_path):
    colours = [(225, 40, 40), (40, 190, 60), (50, 80, 230), (235, 215, 40), (245, 245, 245), (25, 25, 30)]
    frames = np.stack([np.full((64, 64, 3), colour, np.uint8) for colour in colours])
    write_video(tmp_path / "colours.mp4", frames, 8, crf=1)
    assert np.abs(read_frames(tmp_path / "colours.mp4", range(6)).astype(int) - frames).max() <= 3


def test_wrong_input_is_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "wrong.mp4"
    with pytest.raises(ValueError, match=r"they must be uint8 \[F, H, W, 3\]"):
        write_video(path, np.zeros((4, 64, 64, 3), np.float32), 8)
    with pytest.raises(ValueError, match="the rate must be positive"):
        write_video(path, counted_frames(2), 0)
    with pytest.raises(ValueError, match="make it stereo first"):
        write_video(path, counted_frames(2), 8, np.zeros((1, 10), np.float32), 16000)
    with pytest.raises(ValueError, match="AAC takes"):
        write_video(path, counted_frames(2), 8, tone(440, 1, 10000), 10000)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "kept.mp4"
    path.write_bytes(b"old")
    noise = np.random.default_rng(0).integers(0, 256, (30, 128, 128, 3), np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_video(path, noise, 8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["kept.mp4"]


def test_fit_covers_and_crops_the_centre():
    box = fit_box(1920, 1080, 64, 64)
    assert (box.scaled_width, box.scaled_height, box.left, box.top) == (114, 64, 25, 0)
    frames = np.zeros((2, 90, 160, 3), np.uint8)
    frames[:, 25:65, 60:100] = 255
    fitted = fit(frames, 64, 64)
    assert fitted.shape == (2, 64, 64, 3)
    rows, columns = np.nonzero(fitted[0, ..., 0] > 128)
    assert abs(rows.mean() - 31.5) < 0.6
    assert abs(columns.mean() - 31.5) < 0.6
    mask = fit_mask((frames[..., 0] / 255).astype(np.float32), 64, 64)
    assert np.abs(mask - fitted[..., 0] / 255).max() < 0.02
    assert fit(frames, 160, 90) is not frames
    np.testing.assert_array_equal(fit(frames, 160, 90), frames)
    assert fit(frames, 320, 192).shape == (2, 192, 320, 3)
    assert decode_size(640, 360, 768, 448) is None
    assert decode_size(3840, 2160, 64, 64) == (228, 128)


def test_sheets_are_pictures_that_can_be_opened(tmp_path):
    from io import BytesIO

    from PIL import Image

    frames = counted_frames(9)
    long = "a label with \N{GRINNING FACE} and quotes ' \" " * 20
    data = contact_sheet([Strip(pick_frames(frames, 4), "first"), Strip(frames[:1], long)], 64, 2)
    picture = Image.open(BytesIO(data))
    assert picture.width == 6 + 2 * (4 * 64 + 3 * 6 + 6)
    assert contact_sheet([Strip(frames[:2])]) == contact_sheet([Strip(frames[:2])])
    assert side_by_side([thumbnail(frames[0], 30), frames[1]]).shape == (64, 30 + 6 + 96, 3)
    assert [len(pick_frames(frames, count)) for count in (1, 3, 20)] == [1, 3, 9]
    with pytest.raises(ValueError, match="at least one strip"):
        contact_sheet([])
