"""Frames are the exact ones, whatever the file and whichever library reads it."""

import random
from fractions import Fraction

import numpy as np
import pytest
from media_files import counted_frames, encode, read_number, rotate_in_place

from ltx_core.media import decode
from ltx_core.media.container import frame_index
from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.errors import MediaError
from ltx_core.media.probe import probe
from ltx_core.media.treatment import PLAIN
from ltx_core.media.window import FrameWindow
from ltx_core.media.write import write_video


def numbers(frames):
    return [read_number(frame) for frame in frames]


def by_pyav(path, indices, size=None):
    return np.stack(list(decode._by_pyav(path, indices, size, frame_index(path), PLAIN)))


def test_both_libraries_give_the_frames_asked_for(video):
    wanted = sorted(random.Random(1).sample(range(100), 20))
    assert decode.is_plain(probe(video))
    frames = read_frames(video, wanted)
    assert numbers(frames) == wanted
    assert np.abs(frames.astype(int) - by_pyav(video, wanted)).max() <= 2
    assert numbers(read_frames(video, [7, 3, 3, 99, 0])) == [7, 3, 3, 99, 0]
    assert numbers(read_frames(video, [0.0, 1.01, 3.0])) == [0, 30, 90]
    assert read_frames(video, [5], (48, 32)).shape == (1, 32, 48, 3)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("long_gop.mp4", "libx264", {"g": 250, "bf": 3}),
        ("short_gop.mp4", "libx264", {"g": 10, "bf": 2}),
        ("hevc.mp4", "libx265", {"x265-params": "log-level=none:pools=1"}),
        ("vp9.webm", "libvpx-vp9", {"cpu-used": 8, "deadline": "realtime"}),
        ("av1.mp4", "libsvtav1", {"preset": 12, "svtav1-params": "lp=1"}),
        ("mpeg4.avi", "mpeg4", {"bf": 2, "qscale": 2}),
        ("picture.gif", "gif", {"pix_fmt": "rgb8"}),
    ],
)
def test_every_codec_is_frame_exact(tmp_path, name, codec, options):
    path = tmp_path / name
    encode(path, counted_frames(40), codec, time_base=Fraction(1, 30), **options)
    assert probe(path).frames == 40
    wanted = [0, 1, 9, 10, 23, 39]
    assert numbers(read_frames(path, wanted)) == wanted
    assert numbers(by_pyav(path, wanted)) == wanted


def test_variable_frame_rate_is_resampled_by_time(tmp_path):
    path = tmp_path / "variable.mp4"
    pts = np.cumsum([0] + [40, 20, 100, 15, 25] * 8).tolist()
    encode(path, counted_frames(41), pts=pts)
    assert frame_times(path) == pytest.approx([value / 1000 for value in pts], abs=1e-3)
    window = FrameWindow(start=0.2, fps=20, count=20, first=5, last=30)
    expected = [min(range(5, 30), key=lambda n: abs(pts[n] - (200 + 50 * i))) for i in range(20)]
    assert numbers(read_frames(path, window.frames(frame_times(path)))) == expected


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied_by_both_libraries(tmp_path, degrees):
    path = tmp_path / "phone.mp4"
    write_video(path, counted_frames(4), 10)
    upright = read_frames(path, [2])[0]
    rotate_in_place(path, degrees)
    info = probe(path)
    assert (info.width, info.height) == ((96, 64) if degrees == 180 else (64, 96))
    expected = np.rot90(upright, -degrees // 90)
    for frame in (read_frames(path, [2])[0], by_pyav(path, [2])[0]):
        assert frame.shape == expected.shape
        assert np.abs(frame.astype(int) - expected).max() <= 2
    assert by_pyav(path, [2], (32, 48)).shape == (1, 48, 32, 3)
    assert read_frames(path, [2], (32, 48)).shape == (1, 48, 32, 3)


def test_pixels_that_are_not_square_are_stretched(tmp_path):
    path = tmp_path / "wide.mp4"
    encode(path, counted_frames(3), aspect=Fraction(4, 3))
    assert (probe(path).width, probe(path).height) == (128, 64)
    assert read_frames(path, [0]).shape == (1, 64, 128, 3)


def test_high_definition_without_colour_tags_is_read_as_bt709(tmp_path):
    path = tmp_path / "untagged.mp4"
    frames = np.full((2, 720, 1280, 3), (200, 50, 50), np.uint8)
    write_video(path, frames, 10)
    assert np.abs(read_frames(path, [0]).astype(int) - frames[:1]).max() <= 3
    encode(path, frames, preset="ultrafast")
    info = probe(path)
    assert info.assume_709
    assert not decode.is_plain(info)


def test_decord_failing_or_missing_falls_back_to_pyav(video, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("Error reading")

    monkeypatch.setattr("decord.VideoReader", fail)
    assert numbers(read_frames(video, [4, 40])) == [4, 40]


def test_hidden_frames_of_an_edit_list_are_no_frames(tmp_path):
    path = tmp_path / "edited.mp4"
    encode(path, counted_frames(40), g=250, bf=0, pts=[100 * (n - 20) for n in range(40)])
    times = frame_times(path)
    frames = read_frames(path, list(range(len(times))))
    assert len(frames) == len(times) == len(set(numbers(frames)))
    assert numbers(frames) == list(range(40 - len(times), 40))


def test_one_frame_and_odd_sizes(tmp_path):
    path = tmp_path / "one.mp4"
    write_video(path, counted_frames(1, 63, 97), 8)
    assert read_frames(path, [0]).shape == (1, 63, 97, 3)
    assert probe(path).duration == pytest.approx(0.125)


def test_wrong_requests_name_the_range(video):
    with pytest.raises(ValueError, match="frame 100 asked for; the file has the frames 0 to 99"):
        read_frames(video, [3, 100])
    with pytest.raises(ValueError, match="no frames asked for"):
        read_frames(video, [])
    with pytest.raises(MediaError, match="missing"):
        read_frames(video.with_name("none.mp4"), [0])


def test_damage_in_the_middle_is_an_error_that_names_the_time(tmp_path):
    path = tmp_path / "damaged.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8)
    write_video(path, noise, 30, lossless=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : -100] = bytes(len(data) - 100 - len(data) // 3)
    path.write_bytes(data)
    assert probe(path).frames == 60
    with pytest.raises(MediaError, match="unreadable: damaged"):
        read_frames(path, list(range(60)))
