"""Filters on a folder of real films: what is set aside and why, what a change computes, own scorers."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import filter_clips as clips
import numpy as np
import pytest

from ltx_core.config.load import load
from ltx_core.errors import LtxError
from ltx_core.run import Pipeline
from ltx_core.stages import dataset
from ltx_core.stages.filtered import duplicate_groups, flagged, kept_clips, set_aside, verdicts

ROOT = Path(__file__).parents[3]
SECONDS, COUNT = 1.25, 30
ALL_ON = "dataset.filters=on"


def tone(amplitude=0.3, limit=1.0):
    wave = amplitude * np.sin(2 * np.pi * 300 * np.arange(round(SECONDS * clips.RATE)) / clips.RATE)
    return np.clip(np.stack([wave, wave]), -limit, limit).astype(np.float32)


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """A good film, one for each thing that can be wrong, and a copy of another size, rate and quality."""
    folder = tmp_path_factory.mktemp("footage")
    worlds = {name: clips.pan(seed, COUNT, speed=1.5) for seed, name in enumerate(NAMES)}
    boxed = worlds["letterboxed"]
    boxed[:, :24] = boxed[:, -24:] = 0
    frames = {
        **worlds,
        "black": np.zeros_like(boxed),
        "blurred": clips.defocused(worlds["blurred"], 5),
        "dark": (worlds["dark"] * 0.1).astype(np.uint8),
        "frozen": worlds["frozen"][:1].repeat(COUNT, axis=0),
        "text": clips.with_text(clips.with_logo(worlds["text"]), "Subscribe for more!", 0.6, (0.05, 0.9)),
        "z copy": np.stack([cv2.resize(frame, (192, 108)) for frame in worlds["good"]])[::2],
    }
    waves = {"silent": tone(0), "clipped": tone(3)}
    for name, shown in frames.items():
        copy = name == "z copy"
        sound = waves.get(name, tone())
        clips.write(folder / f"{name}.mp4", shown, 12 if copy else 24, sound, crf=30 if copy else 20)
    return folder


NAMES = ("good", "blurred", "clipped", "dark", "frozen", "letterboxed", "silent", "text")


def pipeline(workspace, source, *overrides, config="t2v_lora.yaml"):
    threads = ("engine.threads=1", "acceleration.threads=1")
    settings = [f"workspace={workspace}", f"dataset.source={source}", *threads, *overrides]
    return Pipeline(load(ROOT / "configs" / config, settings, ROOT))


def prepare(pipe, until):
    """Compute a stage and what it needs; the number of new rows of each stage that has any."""
    computed = {}
    for stage in pipe.stages(until):
        computed[stage] = sum(pipe.compute(stage, chunk)["rows"] for chunk in pipe.plan(stage).chunks)
    pipe.context.refresh()
    return {stage: rows for stage, rows in computed.items() if rows}


@pytest.fixture(scope="module")
def workspace(footage, tmp_path_factory):
    workspace = tmp_path_factory.mktemp("workspace")
    prepare(pipeline(workspace, footage), "scores")
    return workspace


def test_every_filter_sets_aside_its_own_with_a_reason(workspace, footage):
    pipe = pipeline(workspace, footage, ALL_ON)
    assert prepare(pipe, "captions") == {"captions": 1}
    reasons = {name.removesuffix(".mp4 #1"): reason for name, reason in set_aside(pipe.context)}
    assert [clip.name for clip in kept_clips(pipe.context)] == ["good.mp4 #1"]
    assert set(reasons) == {*NAMES, "black", "z copy"} - {"good"}
    for name in ("blurred", "clipped", "dark", "letterboxed", "silent", "text"):
        assert reasons[name].startswith(f"{name}: "), reasons[name]
        assert ";" not in reasons[name], reasons[name]
    assert "frozen: share without any motion 1.00 > 0.99" in reasons["frozen"]
    assert "black: share of black frames 1.00 > 0.98" in reasons["black"]
    assert reasons["z copy"] == "duplicate: shows the same as good.mp4 #1, which is kept"
    assert set(set_aside(pipe.context)) <= set(dataset.rejections(pipe.context))
    (group,) = duplicate_groups(pipe.context)
    names = {verdict.clip.clip_id: verdict.clip.name for verdict in verdicts(pipe.context)}
    assert [names[member] for member in group.members] == ["good.mp4 #1", "z copy.mp4 #1"]


def test_by_default_only_black_and_frozen_films_are_set_aside_and_the_rest_is_shown(workspace, footage):
    pipe = pipeline(workspace, footage)
    assert prepare(pipe, "scores") == {}
    assert [name for name, _ in set_aside(pipe.context)] == ["black.mp4 #1", "frozen.mp4 #1"]
    shown = {name.removesuffix(".mp4 #1"): reason for name, reason in flagged(pipe.context)}
    assert set(shown) == {"blurred", "clipped", "dark", "letterboxed", "silent", "text", "z copy"}
    off = pipeline(workspace, footage, "dataset.filters=off")
    assert len(kept_clips(off.context)) == len(NAMES) + 2 and flagged(off.context) == []


def test_a_change_of_a_threshold_or_a_mode_measures_nothing(workspace, footage):
    for change in ("dataset.filters.dark=0.9", "dataset.filters=off", "dataset.filters.duplicate.distance=2"):
        assert prepare(pipeline(workspace, footage, change), "scores") == {}
    brighter = pipeline(workspace, footage, "dataset.filters.dark=0.9")
    assert kept_clips(brighter.context) == []
    # Other lengths are other clips: their scores come from the same series, no film is watched again.
    again = prepare(pipeline(workspace, footage, "dataset.buckets=[64x64x5]"), "scores")
    assert set(again) == {"clips", "scores"} and again["scores"] > 10


def test_a_mode_of_sound_alone_asks_only_about_sound(workspace, footage):
    pipe = pipeline(workspace, footage, ALL_ON, "dataset.duration_buckets=[1.0]", config="t2a_lora.yaml")
    prepare(pipe, "scores")
    assert {name: reason.partition(":")[0] for name, reason in set_aside(pipe.context)} == {
        "clipped.mp4 #1": "clipped",
        "silent.mp4 #1": "silent",
    }


def test_too_many_unreadable_files_count_and_clips_of_a_filter_do_not(
    workspace, footage, tmp_path, monkeypatch
):
    films = tmp_path / "films"
    shutil.copytree(footage, films)
    for number in range(9):
        (films / f"broken {number}.mp4").write_bytes(f"no film {number}".encode())
    sample = SimpleNamespace(split="train")
    monkeypatch.setattr(dataset, "gather", lambda context: ([(sample, {})], []))
    refused = pipeline(workspace, films, ALL_ON, "dataset.max_rejected_fraction=0.4")
    prepare(refused, "captions")
    with pytest.raises(LtxError, match=r"9 of 19 clips were set aside \(47%\)"):
        list(dataset.Dataset().compute(refused.context, []))
    allowed = pipeline(workspace, films, ALL_ON, "dataset.max_rejected_fraction=0.5")
    assert list(dataset.Dataset().compute(allowed.context, [])) == []


def test_a_given_sound_and_stills(footage, tmp_path):
    source = tmp_path / "given"
    source.mkdir()
    shutil.copy(footage / "good.mp4", source)
    clips.write(source / "other.wav", None, wave=tone(3))
    cv2.imwrite(str(source / "still.png"), clips.world(7, 80, 80))
    table = source / "films.csv"
    table.write_text("video,audio\ngood.mp4,other.wav\nstill.png,\n")
    pipe = pipeline(tmp_path / "workspace", table, "dataset.buckets=[64x64x9,64x64x1]", ALL_ON)
    prepare(pipe, "scores")
    film, still = verdicts(pipe.context)
    assert film.reason.startswith("clipped: ")
    assert still.reason == "" and still.scores["kind"] == "image" and still.scores["motion"] is None
    clips.write(source / "other.wav", None, wave=tone())
    later = pipeline(tmp_path / "workspace", table, "dataset.buckets=[64x64x9,64x64x1]", ALL_ON)
    assert prepare(later, "scores") == {"scores": 1}
    assert set_aside(later.context) == []


SCORER = """
VERSION = {version}

def brightness(frames):
    assert frames.shape == (9, 64, 64, 3) and frames.dtype == "uint8"
    return frames.mean() / 255

def loudness(frames, sound):
    return abs(sound).max()

def broken(frames):
    return "much"
"""


def test_scorers_of_ones_own(workspace, footage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "my_filter_scores.py"
    module.write_text(SCORER.format(version=1))

    def run(*scorers, more=()):
        listed = ", ".join(scorers)
        return pipeline(workspace, footage, f"dataset.filters={{scorers: [{listed}]}}", *more)

    bright = "{{name: bright, function: 'my_filter_scores:brightness', below: {}, mode: on}}"
    loud = "{name: loud, function: 'my_filter_scores:loudness'}"
    pipe = run(bright.format(0.2), loud)
    kept = len(NAMES)  # nine films but for the black and the frozen one, and the copy
    assert prepare(pipe, "scorers") == {"scorers": 2 * kept}
    aside = dict(set_aside(pipe.context))
    assert aside["dark.mp4 #1"].startswith("bright: score 0.04") and aside["dark.mp4 #1"].endswith("< 0.2")
    found = {verdict.clip.name: verdict.scores for verdict in verdicts(pipe.context)}
    assert found["good.mp4 #1"]["loud"] == pytest.approx(0.3, abs=0.05)
    stricter = run(bright.format(0.99), loud)
    assert prepare(stricter, "scorers") == {} and kept_clips(stricter.context) == []
    module.write_text(SCORER.format(version=1) + "\n# another word\n")
    assert prepare(run(bright.format(0.2)), "scorers") == {}
    module.write_text(SCORER.format(version=2))
    assert prepare(run(bright.format(0.2)), "scorers") == {"scorers": kept}
    wrong = run("{name: wrong, function: 'my_filter_scores:broken'}")
    with pytest.raises(
        LtxError, match=r"scorer wrong, .*mp4 #1: my_filter_scores:broken gave 'much'; it must give"
    ):
        prepare(wrong, "scorers")
