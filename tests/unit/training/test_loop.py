"""Whole trainings of a toy: exact resume, signals, bad losses, accumulation, records."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from toy import CLIPS, SILENT, run

from ltx_core.errors import LtxError
from ltx_core.training.checkpoint import STATE, checkpoints, latest
from ltx_core.training.interrupts import EXIT_INTERRUPTED, exclusive
from ltx_core.training.log import TIMED, read_measured, read_metrics
from ltx_core.training.loop import CHECKPOINTS, TrainingError
from ltx_core.training.plan import Hook

TOY = Path(__file__).with_name("toy.py")
ROOT = Path(__file__).parents[3]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def child(folder, extra=None, **changes):
    environment = (
        os.environ
        | (extra or {})
        | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    )
    return subprocess.Popen(
        [sys.executable, str(TOY), str(folder), json.dumps(changes)], env=environment, stderr=subprocess.PIPE
    )


def wait_for(condition, process, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def rows(folder):
    """Metrics without the columns that tell time."""
    return [{k: v for k, v in row.items() if k not in TIMED} for row in read_metrics(folder)]


def product(folder):
    return {
        path.name: path.read_bytes()
        for name in ("lora.safetensors", f"{STATE}/parameters.safetensors", f"{STATE}/optimizer.safetensors")
        for path in [latest(folder / CHECKPOINTS) / name]
    }


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    outcome, _ = run(folder, steps=40, gradient_accumulation_steps=2)
    assert (outcome.step, outcome.resumed_from) == (40, 0)
    return folder


def test_killed_and_resumed_equals_unbroken(tmp_path, unbroken):
    process = child(tmp_path, steps=40, gradient_accumulation_steps=2, pause=0.02)
    wait_for(lambda: len(list((tmp_path / CHECKPOINTS).glob("step_*"))) > 0, process)
    time.sleep(0.15)
    process.kill()
    process.wait()
    reached = latest(tmp_path / CHECKPOINTS)
    assert reached is not None
    assert reached.name < "step_000040"
    outcome, _ = run(tmp_path, steps=40, gradient_accumulation_steps=2, ahead=0)
    assert outcome.resumed_from == int(reached.name[5:])
    assert product(tmp_path) == product(unbroken)
    assert rows(tmp_path) == rows(unbroken)


def test_terminated_saves_and_says_so(tmp_path, unbroken):
    process = child(tmp_path, steps=40, gradient_accumulation_steps=2, interval=None, pause=0.05)
    wait_for((tmp_path / "log.jsonl").exists, process)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == EXIT_INTERRUPTED, process.stderr.read().decode()
    step = int(latest(tmp_path / CHECKPOINTS).name[5:])
    assert 0 < step < 40
    assert len(read_metrics(tmp_path)) == step
    run(tmp_path, steps=40, gradient_accumulation_steps=2)
    assert product(tmp_path) == product(unbroken)
    assert rows(tmp_path) == rows(unbroken)


def test_signal_during_a_hook_saves_at_once(tmp_path):
    before = signal.getsignal(signal.SIGINT)

    def long_work(step):
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the hook went on")

    with pytest.raises(SystemExit) as caught:
        run(tmp_path, interval=None, hooks=[Hook(long_work, every=5)])
    assert caught.value.code == EXIT_INTERRUPTED
    assert [path.name for path in checkpoints(tmp_path / CHECKPOINTS)] == ["step_000005"]
    assert signal.getsignal(signal.SIGINT) is before


def test_accumulation_equals_a_large_batch(tmp_path):
    """Also where the samples without sound fall unevenly on the passes."""
    _, small = run(tmp_path / "small", steps=10, dropout=0, batch_size=1, gradient_accumulation_steps=4)
    _, large = run(tmp_path / "large", steps=10, dropout=0, batch_size=4)
    for one, other in zip(rows(tmp_path / "small"), rows(tmp_path / "large"), strict=True):
        assert {name for name in one if one[name] is None} == {name for name in other if other[name] is None}
        for name in one:
            assert one[name] == other[name] or one[name] == pytest.approx(other[name], rel=1e-4), name
    torch.testing.assert_close(small.layer.weight, large.layer.weight, rtol=1e-4, atol=1e-6)


def test_hooks_and_progress(tmp_path):
    seen, reports = [], []
    hook = Hook(
        lambda step: seen.append((step, torch.is_grad_enabled())), every=4, at_start=True, at_end=True
    )
    _, model = run(tmp_path, steps=6, hooks=[hook], report=reports.append)
    assert seen == [(0, False), (4, False), (6, False)]
    assert model.training
    assert [progress.step for progress in reports if not progress.doing] == list(range(1, 7))
    assert [progress.step for progress in reports if progress.doing] == [4, 6]
    assert reports[-1].eta == 0
    assert "step 6/6" in str(reports[-1])
    run(tmp_path, steps=6, hooks=[hook], report=reports.append)
    assert seen[3:] == [(6, False)], "a finished run does nothing but the hooks of its last step"
    assert [progress.step for progress in reports if not progress.doing] == list(range(1, 7))


@pytest.mark.parametrize(
    ("interval", "kept", "saved"),
    [(4, -1, [4, 8, 10]), (4, 2, [8, 10]), (4, 1, [10]), (None, -1, [10]), (5, -1, [5, 10])],
)
def test_a_run_saves_at_its_interval_and_at_its_end_and_keeps_the_last(tmp_path, interval, kept, saved):
    run(tmp_path, steps=10, interval=interval, keep_last_n=kept)
    assert [path.name for path in checkpoints(tmp_path / CHECKPOINTS)] == [f"step_{n:06d}" for n in saved]


def test_what_hooks_measure_is_recorded(tmp_path):
    def measure(step):
        return {"heldout_video": 2.0 - step / 10, "clips": 3.0}

    hook = Hook(measure, every=2, at_start=True)
    run(tmp_path, steps=3, interval=2, hooks=[hook])
    run(tmp_path, steps=5, hooks=[hook], no_resume=False)
    assert read_measured(tmp_path) == {"heldout_video": [(0, 2.0), (2, 1.8), (4, 1.6)]}
    assert [row["step"] for row in read_metrics(tmp_path)] == [1, 2, 3, 4, 5]
    assert '"clips": 3.0' in (tmp_path / "log.jsonl").read_text()


def test_non_finite_losses_are_skipped_then_end_the_run(tmp_path):
    outcome, model = run(tmp_path, bad=(3, 4))
    assert outcome.step == 12
    found = read_metrics(tmp_path)
    assert [row["step"] for row in found if row["skipped"]] == [3, 4]
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    skipped = [event for event in events if event["event"] == "skipped"]
    assert len(skipped) == 2
    assert set(skipped[0]["clips"]) <= set(CLIPS)
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
    with pytest.raises(TrainingError, match="5 steps in a row"):
        run(tmp_path / "all", bad=range(100))
    assert len(read_metrics(tmp_path / "all")) == 5


def test_other_identity_and_other_process_are_refused(tmp_path):
    run(tmp_path, steps=3)
    with pytest.raises(LtxError, match="another configuration"):
        run(tmp_path, steps=3, identity="changed")
    outcome, _ = run(tmp_path, steps=2, identity="changed", no_resume=True)
    assert outcome.step == 2
    assert (tmp_path / "checkpoints.1" / "step_000003").is_dir(), "moved aside, not removed"
    with exclusive(tmp_path), pytest.raises(LtxError, match="another process is training"):
        run(tmp_path, steps=3)


@pytest.mark.prove
def test_two_processes_equal_one(tmp_path):
    """Twice batch 2 in two processes is once batch 4 in one: same samples, draws, losses and steps."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    processes = [
        child(
            tmp_path / "two",
            address | {"RANK": str(rank), "LOCAL_RANK": str(rank), "ACCELERATE_USE_CPU": "true"},
            steps=8,
            dropout=0,
        )
        for rank in range(2)
    ]
    for process in processes:
        assert process.wait(120) == 0, process.stderr.read().decode()
    run(tmp_path / "one", steps=8, dropout=0, batch_size=4)
    for two, one in zip(rows(tmp_path / "two"), rows(tmp_path / "one"), strict=True):
        for name in one:
            assert two[name] == one[name] or two[name] == pytest.approx(one[name], rel=1e-5), name


@pytest.mark.parametrize("kept", ["minimal", "off"])
def test_smaller_states(tmp_path, kept):
    run(tmp_path, steps=3, save_training_state=kept)
    folder = latest(tmp_path / CHECKPOINTS)
    assert not (folder / STATE / "optimizer.safetensors").exists()
    outcome, _ = run(tmp_path, steps=5, save_training_state=kept)
    assert outcome.resumed_from == (3 if kept == "minimal" else 0)


def test_silent_clips_have_no_audio_loss(tmp_path):
    run(tmp_path, steps=6, batch_size=1, buckets={name: "one" for name in SILENT})
    for row in read_metrics(tmp_path):
        assert row["loss_audio"] is None
        assert row["loss"] == row["loss_video"]


def test_a_damaged_newest_checkpoint_costs_nothing_that_is_saved_after_it(tmp_path):
    run(tmp_path, steps=9, keep_last_n=2)
    newest = latest(tmp_path / CHECKPOINTS)
    path = newest / STATE / "parameters.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    outcome, _ = run(tmp_path, steps=9, interval=1, keep_last_n=1)
    assert outcome.resumed_from == 6
    assert [found.name for found in checkpoints(tmp_path / CHECKPOINTS)] == ["step_000009"]
    assert latest(tmp_path / CHECKPOINTS, with_state=True).name == "step_000009"
