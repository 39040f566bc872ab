"""The report's section on the evaluations of a training: words, table and pictures."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from ltx_core.config.load import load
from ltx_core.evaluation.course import (
    Course,
    condition_words,
    course_table,
    curves,
    maps,
    sentences,
    warnings,
)
from ltx_core.evaluation.course_plots import change_map, evaluation_curves
from ltx_core.evaluation.plots import png, svg
from ltx_core.evaluation.report import ReportData, verdict
from ltx_core.evaluation.report_html import render
from ltx_core.stages.course import course_of
from ltx_core.training.heldout_log import HeldoutRow, record_heldout

LEVELS = (0.25, 0.75)
VALUES = {0: (1.0, 1.0), 10: (0.6, 0.6), 20: (0.5, 0.4), 30: (0.55, 0.3), 40: (0.57, 0.25), 50: (0.6, 0.2)}
"""Held-out and training loss of the video by step: the best is 20, and from there it overfits."""


def evaluation(step):
    heldout, train = VALUES[step]
    rows = []
    for level, factor in zip(LEVELS, (0.5, 1.5), strict=True):
        rows += [
            HeldoutRow(step, "heldout", "video", "all", level, heldout * factor, 3),
            HeldoutRow(step, "heldout", "video", "without video.first_frame", level, 2 * heldout * factor, 3),
            HeldoutRow(step, "train", "video", "all", level, train * factor, 3),
            HeldoutRow(step, "heldout", "audio", "all", level, 1.0, 2),
        ]
    return rows


@pytest.fixture
def course(tmp_path):
    """A function that gives the course of a run with these evaluations."""

    def read(steps=tuple(VALUES), *overrides):
        folder = tmp_path / "-".join(map(str, steps))
        folder.mkdir(exist_ok=True)
        for step in steps:
            record_heldout(folder, step, evaluation(step))
        return course_of(load("configs/i2v_lora.yaml", ["dataset.source=/nowhere", *overrides]), folder)

    return read


def test_a_finished_run_is_judged_again_as_it_judged_itself(course):
    found = course(tuple(VALUES), "optimization.audio_loss_weight=0")
    assert (found.best, found.stopped, found.value(20)) == (20, None, 0.5)
    assert (found.overfit.best, found.overfit.step) == (20, 50)
    stopping = course(
        tuple(VALUES), "validation.early_stopping={patience: 2}", "validation.best_metric=video"
    )
    assert stopping.stopped == 40 and "ended early at step 40: 2 evaluations" in " ".join(sentences(stopping))
    assert course(()) == Course() and sentences(Course()) == [] and render(ReportData("x", "t2v"))


def test_what_it_says(course):
    said = " ".join(sentences(course(tuple(VALUES), "optimization.audio_loss_weight=0")))
    assert "Best step: 20, held-out loss 0.500 (the modalities summed by their loss weights); before" in said
    assert "weights are those of the last step" in said and "did all of its steps" in said
    assert "since step 20 the held-out loss has risen by 20.0%" in said
    assert "is now 200% above that of training clips, and was equal to it at the first" in said
    healthy = course((0, 10, 20), "validation.best_metric=video", "checkpoints.publish=best")
    assert "Too few evaluations" in " ".join(sentences(healthy)) and warnings(healthy) == []
    assert "weights are those of the best step" in sentences(healthy)[0]
    (told,) = warnings(course((0, 20, 30), "validation.best_metric=video"))
    assert "step 20 has a held-out loss of 0.500, the last one 0.550" in told
    assert warnings(course((0, 20, 30), "validation.best_metric=video", "checkpoints.publish=best")) == []


def test_tables_and_maps_hold_the_numbers(course):
    found = course()
    assert condition_words("without video.first_frame") == "without first frame (video)"
    by_modality = curves(found)
    assert by_modality["video"]["heldout"] == [
        (step, pytest.approx(one)) for step, (one, _) in VALUES.items()
    ]
    assert by_modality["audio"].keys() == {"heldout"}
    video, audio = maps(found)
    assert video.labels == ("level 0.25", "level 0.75", "without first frame (video)")
    assert video.steps == tuple(VALUES) and audio.labels == ("level 0.25", "level 0.75")
    for row in video.changes:
        assert row == pytest.approx([one - 1 for one, _ in VALUES.values()])
    assert maps(course((0,))) == []
    rows = course_table(replace(found, best=20))
    assert [(row["modality"], row["conditions"], row["clips"]) for row in rows] == [
        ("video", "all conditions", "held out"),
        ("video", "all conditions", "training"),
        ("video", "without first frame (video)", "held out"),
        ("audio", "all conditions", "held out"),
    ]
    assert [rows[0][f"step {step}"] for step in (0, 20, 50)] == pytest.approx([1.0, 0.5, 0.6])


def test_the_page_shows_it_and_the_verdict_knows(course):
    found = course(tuple(VALUES), "optimization.audio_loss_weight=0")
    page = render(ReportData("run", "i2v", course=found))
    assert 'id="course"' in page and page.count("Change of the held-out") >= 2
    assert (
        "at the last evaluation: level 0.25 -40%, level 0.75 -40%, without first frame (video) -40%" in page
    )
    from ltx_core.evaluation.rows import LossRow

    heldout = (LossRow("video", 0.5, 1.0, 3, "base"), LossRow("video", 0.5, 0.6, 3))
    told = verdict(ReportData("run", "i2v", heldout=heldout, course=found))
    assert not told.good and any("overfitting" in warning for warning in told.warnings)
    assert verdict(ReportData("run", "i2v", heldout=heldout)).good
    many = replace(
        maps(found)[0], steps=tuple(range(100)), changes=((0.1,) * 100, (math.nan,) * 100, (-0.6,) * 100)
    )
    drawing = svg(change_map(many, "x"), "map")
    assert "<image" not in drawing and len(drawing) < 150_000
    assert png(evaluation_curves({"held out": [(0, 1.0), (5, 0.5)]}, "x", 5)).startswith(b"\x89PNG")
