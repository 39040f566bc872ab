"""Cuts are exact to the frame and sound stays in step, for every detector and every kind of film."""

from __future__ import annotations

from pathlib import Path

import pytest
from cut_films import FORMS, Film, check_clip, make_film

from ltx_core.curation.cutting.windows import cut_windows
from ltx_core.curation.options.scenes import Detector, SceneOptions
from ltx_core.curation.scenes import detect_scenes

pytestmark = pytest.mark.prove

LENGTHS = (34, 41, 29, 37)
STEP_S = {8.0: 0.1, 30000 / 1001: 0.04}
"""Frame rates of datasets, and one latent step of sound: of the tiny model, and of LTX-2."""
DETECTORS: tuple[Detector, ...] = ("adaptive", "content", "histogram", "hash")


@pytest.fixture(scope="module", params=FORMS)
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Film:
    return make_film(tmp_path_factory.mktemp("films"), request.param, LENGTHS)


@pytest.mark.parametrize("detector", DETECTORS)
def test_hard_cuts_are_exact_and_sound_is_in_step(film: Film, detector: Detector) -> None:
    scenes = detect_scenes(film.path, SceneOptions(detector=detector, min_length=0.3))
    assert [scene.start_frame for scene in scenes][1:] == list(film.cuts)
    assert scenes[0].start_frame == 0 and scenes[-1].end_frame == len(film.numbers)
    heard = 0
    for fps, allowed in STEP_S.items():
        counts = [round(fps * 0.5), round(fps * 1.1)]
        cuts = [cut for cut in cut_windows(scenes, fps, counts) if cut.status == "ok"]
        assert {scene.start_frame for scene in scenes} & {cut.start_frame for cut in cuts}
        for cut in cuts:
            count = round((cut.end_s - cut.start_s) * fps)
            assert count in counts
            heard += check_clip(
                film, cut.start_s, (cut.start_frame, cut.end_frame), fps, count, min(allowed, 0.04)
            )
    assert heard >= 3 * len(scenes)


@pytest.mark.parametrize("form", FORMS)
def test_cuts_to_black_are_exact_at_both_ends(tmp_path: Path, form: str) -> None:
    film = make_film(tmp_path, form, LENGTHS, black=6)
    for bias, shift in ((1.0, 0), (-1.0, -6)):
        options = SceneOptions(detector="threshold", min_length=0.3, fade_bias=bias)
        scenes = detect_scenes(film.path, options)
        assert [scene.start_frame for scene in scenes][1:] == [cut + shift for cut in film.cuts]
        for cut in cut_windows(scenes, 24, [12], options):
            if cut.status == "ok":
                check_clip(film, cut.start_s, (cut.start_frame, cut.end_frame), 24, 12, 0.04)


def test_sliding_spread_and_middle_windows_are_exact_too(film: Film) -> None:
    for options in (
        SceneOptions(stride=0.2, min_length=0.3),
        SceneOptions(take=3, min_length=0.3),
        SceneOptions(take="middle", min_length=0.3, trim=0.1),
        SceneOptions(lengths="all", min_length=0.3, max_length=0.8),
    ):
        scenes = detect_scenes(film.path, options)
        for cut in cut_windows(scenes, 24, [9, 17], options):
            if cut.status == "ok":
                count = round((cut.end_s - cut.start_s) * 24)
                check_clip(film, cut.start_s, (cut.start_frame, cut.end_frame), 24, count, 0.04)
