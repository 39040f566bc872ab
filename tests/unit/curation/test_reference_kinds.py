"""References that need no model: what each shows of real and drawn frames and sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ltx_core.curation.functions import call, mark
from ltx_core.curation.kinds import Work
from ltx_core.curation.options.references import AudioReferenceOptions, ReferenceOptions
from ltx_core.curation.referencing.audio_pitch import shift_pitch
from ltx_core.curation.referencing.kinds import AUDIO_REFERENCES, REFERENCES
from ltx_core.curation.referencing.skeleton import COLOURS, LIMBS, draw_people
from ltx_core.curation.referencing.steady import steady
from ltx_core.errors import LtxError
from ltx_core.media.decode import read_frames

FOOTAGE = Path(__file__).parents[3] / "data" / "footage"
RATE = 16000


@pytest.fixture(scope="module")
def frames():
    return read_frames(FOOTAGE / "wide.mp4", list(range(9)))


def made(frames, clip="clip", **options):
    stated = ReferenceOptions(**options)
    return REFERENCES[stated.kind].make(frames, stated, Work(clip))


def square(inside=(120, 90, 200), outside=(120, 90, 60)):
    frames = np.full((2, 64, 64, 3), outside, np.uint8)
    frames[:, 20:44, 20:44] = inside
    return frames


def tone(hertz, seconds=1.5, rate=RATE):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def loudest(wave, rate=RATE):
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 8 * len(wave)))
    return spectrum.argmax() * rate / (8 * len(wave))


@pytest.mark.parametrize("kind", ["canny", "sketch", "blur", "downscale", "grayscale", "noise"])
def test_a_reference_has_the_frames_of_its_clip(frames, kind):
    found = made(frames, kind=kind)
    assert found.shape == frames.shape and found.dtype == np.uint8
    assert not np.array_equal(found, frames) and np.array_equal(found, made(frames, kind=kind))


def test_a_sketch_is_dark_lines_on_white_whatever_the_brightness():
    for inside, outside in (((200,) * 3, (90,) * 3), ((40,) * 3, (10,) * 3), ((120, 90, 200), (120, 90, 60))):
        drawn = made(square(inside, outside), kind="sketch")[0, ..., 0]
        assert drawn[5:12, 5:12].min() == 255 and drawn[30:34, 30:34].min() == 255
        line = drawn[14:50, 32]
        assert line.min() < 128 and np.count_nonzero(line < 128) < 14
        assert abs(int(line[: len(line) // 2].argmin()) + 14 - 20) <= 2
    faint = made(square(), kind="sketch", ink=1.0)[0]
    assert faint.min() > made(square(), kind="sketch", ink=6.0)[0].min()


def test_grain_is_a_function_of_clip_and_seed(frames):
    grain = made(frames, "a", kind="noise")
    assert np.array_equal(grain, made(frames, "a", kind="noise"))
    assert not np.array_equal(grain, made(frames, "b", kind="noise"))
    assert not np.array_equal(grain, made(frames, "a", kind="noise", seed=1))
    grey = np.full((4, 96, 96, 3), 128, np.uint8)
    apart = made(grey, "a", kind="noise", noise=0.1).astype(float) - 128
    assert apart.std() == pytest.approx(25.5, rel=0.03) and abs(apart.mean()) < 0.3
    assert abs(np.corrcoef(apart[0].ravel(), apart[1].ravel())[0, 1]) < 0.02


def test_a_downscaled_clip_keeps_what_is_large_and_loses_its_detail():
    large = np.random.default_rng(0).integers(40, 215, (2, 4, 6, 3)).repeat(16, axis=1).repeat(16, axis=2)
    fine = np.random.default_rng(1).integers(-40, 40, large.shape)
    found = made((large + fine).astype(np.uint8), kind="downscale", downscale=8).astype(float)
    inside = (slice(None), slice(4, None, 16), slice(4, None, 16))  # away from the edges of what is large
    assert np.abs(found - large)[inside].mean() < 10 < np.abs(fine)[inside].mean()
    assert (
        np.abs(made(large.astype(np.uint8), kind="downscale", downscale=2) - large.astype(float)).mean() < 6
    )


def test_gray_is_another_name_of_grayscale(frames):
    assert REFERENCES["gray"] is REFERENCES["grayscale"]
    found = made(frames, kind="gray")
    assert np.ptp(found, axis=3).max() == 0
    luma = frames @ np.array([0.299, 0.587, 0.114])
    assert np.abs(found[..., 0] - luma).max() < 1


def test_depth_keeps_its_range_over_a_clip_and_what_changes_slowly():
    rng = np.random.default_rng(0)
    scene = np.linspace(1, 5, 48)[:, None] + np.linspace(0, 2, 64)[None]
    flicker = rng.uniform(0.8, 1.25, 40), rng.uniform(-0.5, 0.5, 40)
    depth = np.stack([scene * a + b for a, b in zip(*flicker, strict=True)]).astype(np.float32)
    raw, even = steady(depth, smoothing=0), steady(depth, smoothing=0.95)
    assert raw.std(axis=0).mean() > 5 * even.std(axis=0).mean()
    assert even.min() == 0 and even.max() == 1
    assert np.corrcoef(even.mean(axis=0).ravel(), scene.ravel())[0, 1] > 0.999

    nearing = np.stack([scene + 0.2 * number for number in range(40)]).astype(np.float32)
    mean = steady(nearing).mean((1, 2))
    assert (np.diff(mean) > 0).all() and mean[-1] - mean[0] > 0.4
    assert steady(np.full((5, 8, 8), 3, np.float32)).max() == 0  # a wall has no depth to show


def test_a_flash_in_one_frame_is_no_depth_where_the_median_is_taken():
    depth = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (7, 32, 1))
    depth[3, :, :20] += 5
    assert (
        np.abs(steady(depth, median=True, smoothing=0)[3] - steady(depth, median=True, smoothing=0)[0]).max()
        == 0
    )
    assert np.abs(np.diff(steady(depth, smoothing=0)[:, 0, 5])).max() > 0.5


def test_skeletons_are_drawn_where_the_keypoints_are():
    points = np.zeros((17, 3))
    points[:, 0], points[:, 1] = 10 + 9 * np.arange(17) % 80, 10 + 7 * np.arange(17) % 100
    points[[5, 7], :2] = (20, 30), (80, 90)
    points[[5, 7], 2] = 0.9
    picture = draw_people([points], 128, 96, 0.3)
    assert picture.shape == (128, 96, 3)
    assert picture[60, 50].tolist() == list(COLOURS[LIMBS.index((5, 7))])  # the middle of the one limb
    assert picture[30, 20].min() == 255 and picture[90, 80].min() == 255
    drawn = np.argwhere(picture.any(axis=2))
    assert drawn.min(axis=0).tolist() >= [28, 18] and drawn.max(axis=0).tolist() <= [92, 82]
    assert not draw_people([points], 128, 96, 0.95).any() and not draw_people([], 128, 96, 0.3).any()


@pytest.mark.parametrize(("rate", "hertz"), [(8000, 220), (16000, 440), (48000, 1500)])
@pytest.mark.parametrize("semitones", [-12, -3.5, 2, 7])
def test_a_shifted_sound_is_as_long_as_before_and_its_pitch_as_asked(rate, hertz, semitones):
    wave = np.stack([tone(hertz, 1.5, rate), 0.5 * tone(hertz, 1.5, rate)])
    found = shift_pitch(wave, rate, semitones)
    assert found.shape == wave.shape and found.dtype == np.float32
    inside = found[:, rate // 4 : -rate // 4]
    assert loudest(inside[0], rate) == pytest.approx(hertz * 2 ** (semitones / 12), rel=0.005)
    assert np.sqrt((inside[0] ** 2).mean()) == pytest.approx(0.5 / 2**0.5, rel=0.05)
    np.testing.assert_allclose(inside[1], inside[0] / 2, atol=1e-4)  # left and right stay where they are


def test_a_shifted_sound_stays_in_time():
    wave = np.zeros((1, 3 * RATE), np.float32)
    for second in (0.5, 1.2, 2.4):
        start = round(second * RATE)
        wave[0, start : start + 800] = tone(900, 0.05)
    for semitones in (-7, 5):
        level = np.convolve(np.abs(shift_pitch(wave, RATE, semitones)[0]), np.ones(800), "same")
        for second in (0.5, 1.2, 2.4):
            near = level[round((second - 0.3) * RATE) : round((second + 0.35) * RATE)]
            assert (near.argmax() / RATE - 0.3 - 0.025) == pytest.approx(0, abs=0.03)


def test_mono_is_the_mean_of_both_sides():
    wave = np.stack([tone(300), tone(500)])
    found = AUDIO_REFERENCES["mono"].make(wave, RATE, AudioReferenceOptions("mono"), Work("clip"))
    np.testing.assert_allclose(found, np.stack([wave.mean(0)] * 2), atol=1e-7)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of a user's functions, in which the command is run."""
    package = tmp_path / f"own_{tmp_path.name}"  # a name of its own: a process imports each once
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        (package / f"{name}.py").write_text(text)
        return f"{package.name}.{name}"

    return write


def test_a_users_function_makes_references_and_may_write_into_what_it_is_given(own, frames):
    module = own(
        "mirror", "def flip(frames):\n    frames[:] = frames[:, :, ::-1].copy()\n    return frames\n"
    )
    before = frames.copy()
    found = made(frames, kind="function", function=f"{module}:flip")
    assert np.array_equal(found, before[:, :, ::-1]) and np.array_equal(frames, before)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return frames[:, ::2]", r"wrong:f returned an array \[2, 32, 64, 3\] of uint8; .* same shape"),
        ("return frames / 255", r"returned an array \[2, 64, 64, 3\] of float64"),
        ("return list(frames)", r"returned a list"),
        ("return frames[9]", r"wrong:f raised IndexError: index 9 is out of bounds"),
    ],
)
def test_a_function_that_returns_anything_else_is_named(own, body, message):
    module = own("wrong", f"def f(frames):\n    {body}\n")
    with pytest.raises(LtxError, match=message):
        made(square(), kind="function", function=f"{module}:f")


def test_functions_are_told_apart_by_their_content_or_version_without_being_imported(own):
    module = own("told", "raise SystemExit\ndef f(frames): return frames\n")
    first = mark(f"{module}:f")
    own("told", "raise SystemExit\ndef f(frames): return frames + 1\n")
    assert mark(f"{module}:f") != first and first.startswith("digest")
    own("told", "VERSION = 3\nimport torch\n")
    assert mark(f"{module}:f") == "VERSION 3"
    own("told", "VERSION = 3\nimport torch  # a remark\n")
    assert mark(f"{module}:f") == "VERSION 3"
    for path, why in ((f"{module}s", r"no module own_.*\.tolds"), ("nowhere", "no module nowhere")):
        with pytest.raises(LtxError, match=why):
            mark(f"{path}:f")
    with pytest.raises(LtxError, match=r"no function of this name in own_.*\.plain"):
        call(f"{own('plain', 'x = 1')}:f")
    with pytest.raises(LtxError, match="cannot be imported: ZeroDivisionError"):
        call(f"{own('broken', '1 / 0')}:f")
    with pytest.raises(ValueError, match=r"package\.module:function"):
        ReferenceOptions(kind="function", function="own/told.py")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "function"}, "function is ''; name a function"),
        ({"kind": "depth", "model": "a", "function": "b:c"}, "model and function are both stated"),
        ({"low": 200}, "low must not be above high"),
    ],
)
def test_options_that_make_no_sense_are_refused_for_the_kind_that_reads_them(options, message):
    with pytest.raises(ValueError, match=message):
        ReferenceOptions(**options)
    ReferenceOptions(**{**options, "kind": "blur"})
