"""What a terminal shows of a real (toy) training, and what of its messages passes on."""

from __future__ import annotations

import io
import json
import time

import pytest
from rich.console import Console
from toy import run

from flows._live import BARS, TrainingView, sparkline
from ltx_core.training.log import read_metrics
from ltx_core.training.means import Curve
from ltx_core.training.plan import Hook
from ltx_core.training.progress import Bounded, Meter, memory
from tasks._display import describe


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder, messages as the parent process reads them) of 30 steps, one of them without a finite loss."""
    folder, seen = tmp_path_factory.mktemp("seen"), []
    hook = Hook(lambda step: {"heldout_video": 2 - step / 100, "heldout_audio": 1.5}, every=20)
    run(folder, steps=30, bad=(7,), hooks=[hook], report=Bounded(seen.append, memory, 0.0))
    return folder, [json.loads(json.dumps(progress.as_dict(), allow_nan=False)) for progress in seen]


def drawn(message, width):
    console = Console(width=width, record=True, force_terminal=False, file=io.StringIO())
    console.print(TrainingView(message))
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_the_view_shows_the_numbers_of_the_run(trained, width):
    folder, messages = trained
    rows = read_metrics(folder)
    lines = drawn(messages[-1], width)
    assert max(map(len, lines)) <= width
    found = {line[:11].strip(): line[11:].strip() for line in lines}
    assert found["training"].startswith("step 30/30  100%  ETA 0:00  epoch 6  bucket ")
    for modality in ("video", "audio"):
        last = [row[f"loss_{modality}"] for row in rows[-20:] if row[f"loss_{modality}"] is not None]
        assert found[modality].startswith(f"{sum(last) / len(last):.4f}  low to high noise ")
        levels = found[modality].split("noise ")[1].split()
        for quarter, shown in enumerate(levels, 1):
            kept = [row[f"loss_{modality}_q{quarter}"] for row in rows]
            kept = [value for value in kept if value is not None and value == value]
            assert shown == f"{sum(kept) / len(kept):.4f}"
    assert found["rate"] == f"lr {rows[-1]['lr']:.3g}  gradient norm {rows[-1]['grad_norm']:.3g}"
    window = rows[-20:]
    seconds = sum(row["seconds"] for row in window)
    assert found["speed"].split()[0] == f"{20 / seconds:.2f}"
    wait = sum(row["data_wait"] for row in window) / seconds
    assert found["time"].startswith(f"data wait {wait:.1%}  forward ")
    assert found["held out"].startswith("video 1.8000  audio 1.5000  at step 20  best ")
    assert found["skipped"] == "1 step"
    assert found["warning"] == "step 7 skipped: loss is nan"
    assert "GiB" in found["memory"]
    assert set(found["loss"].split()[1]) <= set(BARS)
    assert len(found["loss"].split()[1]) >= 29


def test_a_loss_that_is_no_number_is_left_out():
    meter = Meter(10)
    meter.after({"step": 1, "loss": 1.0, "lr": float("nan"), "seconds": 0.1})
    meter.measured(1, {"heldout_video": float("nan"), "heldout_audio": 1.5})
    message = json.loads(json.dumps(meter.now().as_dict(), allow_nan=False))
    (line,) = [line for line in drawn(message, 80) if line.startswith("held out")]
    assert line.split() == ["held", "out", "audio", "1.5000", "at", "step", "1"]
    assert drawn({**message, "heldout": {"video": None}}, 80)


def test_a_log_has_the_same_in_a_line(trained):
    _, messages = trained
    text = describe(messages[10])
    assert text.startswith("11/30  loss ")
    for part in ("video ", "audio ", " it/s", " tokens/s", "data wait ", "ETA 0:0"):
        assert part in text
    assert "\n" not in text


def test_messages_are_few_and_the_last_one_comes():
    seen = []
    meter, bounded = Meter(500), Bounded(seen.append, dict, 0.05)
    began = time.monotonic()
    for step in range(1, 501):
        bounded(meter.after({"step": step, "loss": 1.0, "seconds": 0.001}))
    passed = time.monotonic() - began
    assert [seen[0].step, seen[-1].step] == [1, 500]
    assert len(seen) <= passed / 0.05 + 2


def test_a_step_costs_the_meter_little():
    meter = Meter(3000)
    row = {f"loss_{m}_q{q}": 0.5 for m in ("video", "audio") for q in range(1, 5)}
    row |= {"loss": 1.0, "loss_video": 0.5, "loss_audio": 0.5, "lr": 1e-4, "seconds": 1.0, "data_wait": 0.1}
    began = time.process_time()
    for step in range(1, 1001):
        meter.after({**row, "step": step})
    assert (time.process_time() - began) / 1000 < 0.001, "seconds of a step"


def test_the_curve_of_many_steps_is_short_and_true():
    curve = Curve()
    for step in range(1, 100_001):
        curve.add(step / 100_000)
    points = curve.points
    assert 30 <= len(points) <= 60
    assert list(points) == sorted(points)
    assert points[0] < 0.05
    assert points[-1] > 0.9


def test_sparklines():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == BARS
    assert sparkline([1.0, 1.0, float("nan")], 8) == BARS[0] * 2
    assert sparkline([], 8) == ""
    assert len(sparkline(list(range(100)), 10)) == 10
