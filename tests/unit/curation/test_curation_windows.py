"""Windows of scenes: all kinds of them, what is left out beside cuts and fades, and why others give none."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
from cut_films import check_clip, make_film
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.curation.cutting.fades import clear_range
from ltx_core.curation.cutting.scene import Borders, Scene
from ltx_core.curation.cutting.windows import cut_durations, cut_sound, cut_windows
from ltx_core.curation.options.scenes import (
    DETECTION,
    READING,
    WINDOWS,
    OtherDetector,
    SceneOptions,
    parse_length,
)
from ltx_core.curation.scenes import detect_scenes, watch_film

FPS = 10.0


def scene(frames, start=0):
    """A scene of 10 frames per second."""
    return Scene(start, start + frames, start / FPS, (start + frames) / FPS)


def ranges(cuts):
    return [(cut.start_frame, cut.end_frame) for cut in cuts if cut.status == "ok"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [(0, 20), (20, 25), (25, 30), (30, 35)]),
        ({"take": "first"}, [(0, 20)]),
        ({"take": "middle"}, [(8, 28)]),
        ({"take": 2}, [(8, 28)]),
        ({"lengths": "all", "take": 2}, [(0, 5), (8, 28), (32, 37)]),
        ({"lengths": "all", "take": "first"}, [(0, 20), (0, 5)]),
        ({"stride": 0.8}, [(0, 20), (8, 28), (16, 36)]),
        ({"max_length": 2.0}, [(0, 5), (5, 10), (10, 15), (19, 24), (24, 29), (29, 34)]),
        ({"max_length": 2.0, "take": 3}, [(0, 5), (7, 12), (14, 19), (19, 24), (25, 30), (32, 37)]),
    ],
)
def test_windows_of_a_scene(options, expected):
    assert ranges(cut_windows([scene(37)], FPS, [5, 20], SceneOptions(**options))) == expected


def test_all_lengths_are_each_cut_from_the_whole_scene():
    found = ranges(cut_windows([scene(37)], FPS, [5, 20], SceneOptions(lengths="all")))
    assert found == [(0, 20), *((start, start + 5) for start in range(0, 35, 5))]
    assert ranges(cut_windows([scene(37)], FPS, [1, 20], SceneOptions(lengths="all"))) == [(0, 20)]
    assert ranges(cut_windows([scene(9)], FPS, [1, 20], SceneOptions(lengths="all", take="middle"))) == [
        (4, 5)
    ]


def test_scenes_that_give_no_clip_say_why():
    scenes = [scene(8), scene(30, 8), scene(4, 38), scene(30, 42), scene(30, 72)]
    cuts = cut_windows(scenes, FPS, [20], SceneOptions(drop_shorter="7f", max_scenes=3))
    assert [(cut.index, cut.status, cut.reason) for cut in cuts] == [
        (1, "rejected", "shorter than every bucket: 8 < 20 frames"),
        (2, "ok", ""),
        (3, "rejected", "scene shorter than scenes.drop_shorter: 4 frames, 0.400 s < 7f"),
        (4, "ok", ""),
        (5, "rejected", "beyond scenes.max_scenes: 4 > 3"),
    ]
    (sliding,) = cut_durations([scene(10)], [2.0], SceneOptions(stride=0.5))
    assert sliding.reason == "shorter than every bucket: 1.000 < 2 s"


def test_what_lies_beside_cuts_and_in_fades_is_left_out_and_borders_go_along():
    faded = replace(scene(40, 20), clear_start=26, clear_end=55, borders=Borders(0, 4, 0, 4))
    scenes = [scene(20), faded, scene(20, 60)]
    options = SceneOptions(trim=0.2)
    assert ranges(cut_windows(scenes, FPS, [5], options))[3:8] == [
        (28, 33),
        (33, 38),
        (38, 43),
        (43, 48),
        (48, 53),
    ]
    assert ranges(cut_windows(scenes, FPS, [5], replace(options, trim_fades=False)))[3] == (22, 27)
    borders = {cut.borders for cut in cut_windows(scenes, FPS, [5], options) if 20 <= cut.start_frame < 60}
    assert borders == {Borders(0, 4, 0, 4)}


def test_sounds_are_cut_in_the_same_ways():
    def found(**options):
        cuts = cut_sound(0.5, 4.2, 1000, [0.5, 2.0], SceneOptions(**options))
        return [(cut.start_frame, cut.end_frame) for cut in cuts]

    assert found() == [(500, 2500), (2500, 3000), (3000, 3500), (3500, 4000)]
    assert found(take="middle") == [(1350, 3350)]
    assert found(stride=1.0) == [(500, 2500), (1500, 3500)]
    assert found(lengths="all", take="first") == [(500, 2500), (500, 1000)]


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.sampled_from([20, 33, 40, 100]), min_size=1, max_size=120),
    counts=st.lists(st.sampled_from([1, 5, 9, 17]), min_size=1, max_size=3),
    options=st.builds(
        SceneOptions,
        take=st.sampled_from(["all", "first", "middle", 1, 2, 5]),
        lengths=st.sampled_from(["longest", "all"]),
        max_length=st.sampled_from([None, 0.7]),
    )
    | st.builds(SceneOptions, stride=st.sampled_from([0.1, 0.5, 3.0])),
)
def test_every_window_lies_within_its_scene_and_is_as_long_as_it_should(steps, counts, options):
    times = np.concatenate([[0.0], np.cumsum(steps) / 1000])
    film = Scene(7, 7 + len(steps), float(times[0]), float(times[-1]), tuple(times[:-1].tolist()))
    cuts = cut_windows([film], FPS, counts, options)
    assert cuts and [cut.index for cut in cuts] == list(range(1, len(cuts) + 1))
    for cut in cuts:
        assert 7 <= cut.start_frame < cut.end_frame <= 7 + len(steps)
        assert cut.start_s == pytest.approx(times[cut.start_frame - 7])
        if cut.status == "ok":
            assert round((cut.end_s - cut.start_s) * FPS) in counts and cut.end_s <= times[-1] + 1e-5
            shown = times[cut.start_frame - 7 : cut.end_frame - 7]
            assert shown.max() < cut.end_s and (times[cut.end_frame - 7] >= cut.end_s - 1e-5)
    kept = ranges(cuts)
    assert len(set(kept)) == len(kept)
    if options.stride is None and options.lengths == "longest":
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(kept))


@pytest.mark.parametrize(
    ("text", "length"),
    [(1.5, 1.5), (2, 2.0), ("36f", 36), ("12 frames", 12), ("2s", 2.0), ("0.5", 0.5), ("1:02.5", 62.5)],
)
def test_lengths_are_seconds_frames_or_times(text, length):
    assert parse_length(text) == length and type(parse_length(text)) is type(length)
    SceneOptions(min_length=text)


def test_wrong_options_are_refused_with_the_reason():
    with pytest.raises(ValueError, match=r"drop_shorter is 'soon'; write seconds \(1.5\), frames \(36f\)"):
        SceneOptions(drop_shorter="soon")
    with pytest.raises(ValueError, match="skip_start is -1"):
        SceneOptions(skip_start=-1)
    with pytest.raises(ValueError, match="sliding windows are all taken"):
        SceneOptions(take="first", stride=1.0)
    for wrong in ("some", 0, True):
        with pytest.raises(ValueError, match=f"take is {wrong!r}; write all, first, middle, or how many"):
            SceneOptions(take=wrong)
    with pytest.raises(ValueError, match="detector is none"):
        SceneOptions(detector="none", also=(OtherDetector("hash"),))


def test_every_option_belongs_to_one_key_and_defaults_to_none():
    names = [*DETECTION, *WINDOWS, *READING]
    assert sorted(names) == sorted(field.name for field in fields(SceneOptions))
    assert SceneOptions().stated(names) == {}
    changed = SceneOptions(also=(OtherDetector("hash", 0.3),), take=2)
    assert changed.stated(DETECTION) == {"also": [["hash", 0.3]]} and changed.stated(WINDOWS) == {"take": 2}


def test_fades_are_black_and_what_rises_out_of_it():
    times = np.arange(60) / 24
    light = np.full(60, 90.0)
    light[:20] = np.concatenate([np.zeros(8), np.linspace(0, 90, 12)])
    light[50:] = np.linspace(90, 0, 10)
    peak = light * 2
    first, last = clear_range(light, peak, times, 12.0)
    assert 17 <= first <= 20 and 49 <= last <= 52
    night = np.full(60, 9.0)
    assert clear_range(night, night * 2, times, 12.0) == (0, 60)  # dark from start to end
    lamp = np.where(np.arange(60) < 20, 9.0, 90.0)
    assert clear_range(lamp, np.full(60, 200.0), times, 12.0) == (0, 60)  # dark with a light in it
    assert clear_range(lamp, lamp * 2, times, 12.0) == (20, 60)  # black, then a hard cut


def test_detectors_in_one_pass_a_part_of_a_film_and_what_they_measured(tmp_path):
    film = make_film(tmp_path, "variable", (30, 25, 28, 27))
    all_at_once = SceneOptions(
        detector="hash",
        min_length="8f",
        also=(OtherDetector("content"), OtherDetector("histogram")),
        stats=True,
        skip_start="10f",
        skip_end="20f",
    )
    found = watch_film(film.path, all_at_once)
    assert [s.start_frame for s in found.scenes] == [10, 30, 55, 83] and found.scenes[-1].end_frame == 90
    names = set(found.series)
    assert {"stats.frame", "stats.hash.hash_dist", "stats.content.content_val"} <= names
    assert found.series["stats.frame"].tolist() == list(range(10, 90))
    measured = found.series["stats.content.content_val"]
    assert set(np.flatnonzero(measured > 27) + 10) == {30, 55, 83}
    assert found.times.tolist() == pytest.approx(film.times, abs=1e-6)
    short = detect_scenes(film.path, SceneOptions(min_length=0.2, duration=2.0, downscale=1, luma_only=True))
    end = next(n for n, time in enumerate(film.times) if time >= 2.0 - 1e-6)
    assert [s.start_frame for s in short] == [0, 30] and short[-1].end_frame == end
    skipping = detect_scenes(film.path, SceneOptions(detector="content", min_length=0.2, frame_skip=2))
    assert all(abs(s.start_frame - cut) <= 2 for s, cut in zip(skipping[1:], film.cuts, strict=True))
    scenes = detect_scenes(film.path, SceneOptions(min_length=0.2))
    assert [s.start_frame for s in scenes][1:] == list(film.cuts)
    heard = 0
    for cut in cut_windows(scenes, 24, [12]):
        if cut.status == "ok":
            heard += check_clip(film, cut.start_s, (cut.start_frame, cut.end_frame), 24, 12, 0.04)
    assert heard >= 4
