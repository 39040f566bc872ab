"""Best step, early stop and overfitting: on series of numbers, and in whole trainings that are broken off."""

from __future__ import annotations

import json
import math
import os
import signal

import pytest
from toy import run

from ltx_core.training.checkpoint import STATE, checkpoints, latest
from ltx_core.training.judge_options import JudgeOptions
from ltx_core.training.judging import (
    Evaluation,
    Judge,
    best_checkpoint,
    first_overfit,
    overfitting,
    read_best,
)
from ltx_core.training.log import read_metrics
from ltx_core.training.loop import CHECKPOINTS
from ltx_core.training.plan import Hook

VALUES = {0: 0.1, 2: 1.0, 4: 0.8, 6: 0.9, 8: 0.7, 10: 0.75, 12: 0.695, 14: 0.71, 16: 0.72, 18: 0.1}
"""Held-out loss by step: best at 12 where any gain counts, and no gain above 0.01 after step 8."""


def evaluations(values):
    return [Evaluation(step, heldout, train) for step, (heldout, train) in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([(1.0, 1.0), (0.9, 0.9), (0.92, 0.8), (0.93, 0.7), (0.95, 0.6)], (1, 4)),
        ([(1.0, 1.0), (0.9, 0.9), (0.92, 0.8), (0.93, 0.7)], None),  # two evaluations ago alone
        ([(1.0, 1.0), (0.9, 0.9), (0.905, 0.8), (0.91, 0.7), (0.917, 0.6)], None),  # risen by less than 2 %
        ([(1.0, 1.0), (0.9, 0.9), (0.92, 0.9), (0.93, 0.95), (0.95, 0.9)], None),  # training clips rise too
        (
            [(0.9, 1.0), (0.91, 0.9), (0.912, 0.8), (0.915, 0.7), (0.925, 0.6)],
            (0, 4),
        ),  # slowly, from the base
        ([(1.0, None), (1.1, None), (1.2, None), (1.3, None)], None),
        ([(0.9, 0.9), (float("nan"), 0.8), (0.95, 0.7), (0.96, 0.6), (0.97, 0.5)], (0, 4)),
        ([(1.0, 1.0), (1.1, 0.9), (1.2, 0.8), (1.3, 0.7), (0.9, 0.6)], (0, 3)),  # it was, and is no more
        ([], None),
    ],
)
def test_overfitting_is_a_rise_since_the_best_while_training_clips_fall(values, found):
    seen = first_overfit(evaluations(values))
    assert (seen and (seen.best, seen.step)) == found


def test_overfitting_is_told_once_until_there_is_a_new_best():
    told = []
    judge = Judge(JudgeOptions(), lambda name, **facts: told.append((name, facts["step"])))
    heldout = [1.0, 0.9, 0.95, 0.95, 0.95, 0.95, 0.8, 0.85, 0.85, 0.85]
    for step, value in enumerate(heldout, 1):
        judge.after(step, {"heldout_video": value, "train_video": 1.0 - step / 20})
    assert [step for name, step in told if name == "overfit"] == [5, 10]
    assert [step for name, step in told if name == "best"] == [1, 2, 7]
    found = overfitting(judge.series)
    assert found.best == 7 and found.heldout == pytest.approx(0.0625)
    assert "since step 7 the held-out loss has risen by 6.2%" in found.sentence()
    assert "has fallen by 23.1%; take the weights of that step" in found.sentence()


def test_the_judged_value_is_weighted_as_the_training_or_of_one_modality():
    measured = {"heldout_video": 0.5, "heldout_audio": 2.0, "train_video": 0.25}
    weights = {"video": 1.0, "audio": 0.1}
    assert JudgeOptions(weights=weights).value(measured) == pytest.approx(0.7)
    assert JudgeOptions(weights=weights).value(measured, "train") == 0.25
    assert JudgeOptions("audio", weights).value(measured) == 2.0
    assert JudgeOptions("audio", weights).value({"heldout_video": 1.0}) is None
    best = {}
    for metric in ("weighted", "video", "audio"):
        judge = Judge(JudgeOptions(metric), lambda *_, **__: None)
        for step, (video, audio) in enumerate([(0.5, 1.0), (0.4, 1.2), (0.6, 0.8)], 1):
            judge.after(step, {"heldout_video": video, "heldout_audio": audio})
        best[metric] = judge.best.step
    assert best == {"weighted": 3, "video": 2, "audio": 3}
    judge = Judge(JudgeOptions(), lambda *_, **__: None)
    assert not judge.after(0, {"heldout_video": 0.1}), "the base model is no checkpoint"
    assert not judge.after(1, {"heldout_video": float("nan")}) and not judge.after(2, {"samples": 3.0})
    assert judge.after(3, {"heldout_video": 0.3}) and not judge.after(3, {"heldout_video": 0.2})


def measuring(fails=None):
    """An evaluation every two steps; `fails` is done after that of a step."""

    def measure(step):
        return {"heldout_video": VALUES[step], "train_video": 1 - step / 40}

    def fail(step):
        if fails is not None and step == fails[0]:
            fails[1]()

    return [Hook(measure, every=2, at_start=True, at_end=True), Hook(fail, every=2)]


def stopping(folder, hooks=None, **changes):
    judge = JudgeOptions(patience=3, min_delta=0.01)
    return run(folder, steps=30, interval=3, judge=judge, hooks=hooks or measuring(), **changes)[0]


def remains(folder):
    """What a training leaves, but the columns that tell time."""
    last = latest(folder / CHECKPOINTS)
    state = json.loads((last / STATE / "state.json").read_text())
    rows = [
        {name: value for name, value in row.items() if "loss" in name or name in ("step", "lr", "grad_norm")}
        for row in read_metrics(folder)
    ]
    names = [path.name for path in checkpoints(folder / CHECKPOINTS)]
    return names, (last / "lora.safetensors").read_bytes(), state, rows, (folder / "best.json").read_bytes()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped")
    return folder, stopping(folder)


def test_a_run_ends_where_its_patience_does_and_keeps_its_best(stopped):
    """Step 12 is the best, but gains too little since step 8; later ones are removed, it stays."""
    folder, outcome = stopped
    assert (outcome.step, outcome.checkpoint.name, outcome.best.name) == (14, "step_000014", "step_000012")
    assert [path.name for path in checkpoints(folder / CHECKPOINTS)] == ["step_000012", "step_000014"]
    assert best_checkpoint(folder) == outcome.best and (outcome.best / "lora.safetensors").is_file()
    best = read_best(folder)
    assert (best["step"], best["value"], best["checkpoint"]) == (12, 0.695, "checkpoints/step_000012")
    assert best["base"] == 0.1
    events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    (end,) = (event for event in events if event["event"] == "early_stop")
    assert (end["step"], end["best"], end["evaluations"]) == (14, 12, 3)
    again = stopping(folder)
    assert (again.step, again.resumed_from) == (14, 14), "it is finished"
    assert len(read_metrics(folder)) == 14


class BrokenError(Exception):
    """What nothing expects."""


def crash():
    raise BrokenError


@pytest.mark.parametrize("step", [2, 6, 8, 12, 14])
@pytest.mark.parametrize("asked", [False, True])
def test_broken_off_and_resumed_decides_as_unbroken(tmp_path, stopped, step, asked):
    """Once after an evaluation's step was saved, once without; by an error, and by a signal that saves."""
    end = (lambda: os.kill(os.getpid(), signal.SIGTERM)) if asked else crash
    with pytest.raises(SystemExit if asked else BrokenError):
        stopping(tmp_path, measuring((step, end)))
    outcome = stopping(tmp_path)
    assert outcome.step == 14 and outcome.best.name == "step_000012"
    assert remains(tmp_path) == remains(stopped[0])


def test_no_patience_no_end_and_no_best_kept_unless_asked(tmp_path):
    hooks = [Hook(lambda step: {"heldout_video": VALUES[step]}, every=2)]
    outcome, _ = run(tmp_path, steps=9, interval=3, keep_best=False, hooks=hooks)
    assert outcome.step == 9 and outcome.best is None
    assert [path.name for path in checkpoints(tmp_path / CHECKPOINTS)] == ["step_000009"]
    assert read_best(tmp_path)["checkpoint"] is None


def test_an_evaluation_that_is_not_finite_is_no_gain_and_hides_none():
    judge = Judge(JudgeOptions(patience=3), lambda *_, **__: None, lambda *_: None)
    for step, value in enumerate([math.nan, 0.9, 0.5, 0.3, math.nan, 0.4, 0.4], 1):
        judge.after(step, {"heldout_video": value})
    assert (judge.best.step, judge.stopped) == (4, 7)
