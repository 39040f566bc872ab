"""`resumed == unbroken`: a training of the toy is killed, stopped and starved of disk wherever it may be."""

from __future__ import annotations

import random
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from toy_runs import INT, STEPS, TERM, Run, begun, events, finished, options, result, step

from ltx_core.training.checkpoint import checkpoints
from ltx_core.training.interrupts import EXIT_INTERRUPTED, EXIT_UNSAVED, REPEATED_S
from ltx_core.training.loop import CHECKPOINTS

VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"gradient_accumulation_steps": 2},
    {"gradient_accumulation_steps": 3, "batch_size": 1},
    {"ema_decay": 0.9},
    {"ema_decay": 0.99, "ema_every": 3, "gradient_accumulation_steps": 2},
    {"fill": "short", "batch_size": 3},
    {"scheduler_type": "cosine_with_restarts", "warmup_steps": 7},
    {"optimizer_type": "came"},
    {"optimizer_type": "prodigy", "learning_rate": 1.0},
    {"interval": 1, "keep_last_n": 1, "dropout": 0.3},
)
"""One for each seed."""
PAUSE = 0.01
"""Seconds that a forward pass of a run to be killed takes longer."""

pytestmark = pytest.mark.prove


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return result(finished(tmp_path_factory.mktemp("unbroken") / "run", **options()))


def equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Part by part, so that a failure says which."""
    assert one.keys() == other.keys()
    for name in one:
        assert one[name] == other[name], name
    assert one["left over"] == []


@pytest.mark.parametrize("seed", range(10))
def test_killed_at_random_moments(tmp_path: Path, seed: int):
    """Kill -9 three times at moments that the seed chooses; each time another number of data workers."""
    draw, ours = random.Random(seed), options(**VARIANTS[seed])
    folder = tmp_path / "killed"
    for times in range(1, 4):
        run = Run.start(folder, pause=PAUSE, ahead=draw.randrange(4), **ours)
        run.until_resumed(times)
        wanted = step(folder) + draw.randrange(10)
        run.until(lambda wanted=wanted: step(folder) >= wanted)
        time.sleep(draw.uniform(0.0, 0.1))
        run.kill()
    assert 0 < step(folder) < STEPS
    finished(folder, ahead=draw.randrange(4), **ours)
    assert len(begun(folder)) == 4
    equal(result(folder), result(finished(tmp_path / "whole", **ours)))


@pytest.mark.parametrize("where", ["slow", "slow_export"])
def test_killed_in_mid_save(tmp_path: Path, unbroken: dict[str, Any], where: str):
    """While the folder of a checkpoint is written, and when all is written but its name."""
    folder = tmp_path / "run"
    for least in (0, 3):
        run = Run.start(folder, **{where: 1.0}, **options())
        run.until(lambda least=least: step(folder) >= least and half_written(folder))
        run.signal(signal.SIGSTOP)  # that it is in the middle of a save is looked at before the kill
        assert half_written(folder)
        run.kill()
        assert half_written(folder)
    finished(folder, **options())
    equal(result(folder), unbroken)


def half_written(folder: Path) -> list[Path]:
    return list((folder / CHECKPOINTS).glob(".tmp-step*"))


def test_a_torn_newest_checkpoint(tmp_path: Path, unbroken: dict[str, Any]):
    """A disk that lost what it had said to be written: the one before is taken."""
    folder = tmp_path / "run"
    run = Run.start(folder, pause=PAUSE, **options(keep_last_n=3))
    run.until(lambda: step(folder) >= 12)
    run.kill()
    newest = checkpoints(folder / CHECKPOINTS)[-1]
    whole = (newest / "state" / "parameters.safetensors").read_bytes()
    (newest / "state" / "parameters.safetensors").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    finished(folder, **options(keep_last_n=3))
    (resumed,) = events(folder, "resumed")
    assert 0 < resumed["step"] < int(newest.name.removeprefix("step_"))
    found = result(folder)
    equal({**found, "steps": found["steps"][-2:]}, {**unbroken, "steps": unbroken["steps"][-2:]})


@pytest.mark.parametrize("number", [TERM, INT])
def test_a_signal_saves_within_a_pass_and_a_save(tmp_path: Path, unbroken: dict[str, Any], number: int):
    """At a step where no checkpoint was due, in the middle of an accumulated step."""
    folder, ours = tmp_path / "run", options(interval=None)
    run = Run.start(folder, pause=0.3, **ours)
    run.until_resumed(1)
    time.sleep(1.0)
    began = time.monotonic()
    run.signal(number)
    assert run.end(10) == [EXIT_INTERRUPTED]
    assert time.monotonic() - began < 1.5
    (stopped,) = events(folder, "interrupted")
    assert stopped["seconds"] < 0.3 + 0.5, "one forward and backward pass, and the save"
    assert step(folder) == stopped["step"] > 0
    finished(folder, **ours)
    found = result(folder)
    equal({**found, "steps": []}, {**unbroken, "steps": []})


def test_a_second_signal_ends_at_once(tmp_path: Path, unbroken: dict[str, Any]):
    """Also in the middle of the save that the first one asked for; one right after it is the same request, as
    when a group of processes is ended and the one that started this one passes it on."""
    folder = tmp_path / "run"
    run = Run.start(folder, pause=0.05, slow=6.0, **options(interval=None, keep_best=False))
    run.until_resumed(1)
    time.sleep(0.3)
    for _ in range(2):
        run.signal(TERM)
        time.sleep(0.02)
    run.until(lambda: half_written(folder) or not run.processes[0].is_alive())
    time.sleep(REPEATED_S)
    began, reached = time.monotonic(), step(folder)
    run.signal(TERM)
    assert run.end(10) == [128 + TERM]
    assert time.monotonic() - began < 2.0, "the save alone would take longer"
    assert step(folder) == reached
    finished(folder, **options(interval=None, keep_best=False))
    found = result(folder)
    assert found["steps"] == [f"step_{STEPS:06d}"]
    equal({**found, "steps": [], "numbers": 0}, {**unbroken, "steps": [], "numbers": 0})


def limited(run: Run, size: int) -> None:
    """No file of a run may become larger, as on a full disk; `resource.RLIM_INFINITY` lifts it."""
    resource.prlimit(run.processes[0].pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_in_mid_run_costs_nothing(tmp_path: Path, unbroken: dict[str, Any]):
    """Saves fail, and are told; when there is room again the next one works.

    A best step that cannot be saved is none (`test_judging.py`), so the best is not kept here.
    """
    folder = tmp_path / "run"
    run = Run.start(folder, pause=0.03, **options(keep_best=False))
    run.until(lambda: step(folder) >= 6)
    limited(run, 0)
    reached = step(folder)
    time.sleep(0.5)
    assert step(folder) in (reached, reached + 3), "one may have been under way"
    assert not half_written(folder)
    limited(run, resource.RLIM_INFINITY)
    assert run.end() == [0], run.words()
    failed = events(folder, "save_failed")
    assert failed and all("file-size limit" in event["reason"] for event in failed)
    assert failed[0]["newest"] in (reached, reached + 3)
    found = result(folder)
    left_out = {f"{event['step']:06d}.bin" for event in events(folder, "hook_failed")}
    samples = {name: data for name, data in unbroken["samples"].items() if name not in left_out}
    expected = {**unbroken, "steps": unbroken["steps"][-1:], "samples": samples}
    equal({**found, "steps": found["steps"][-1:]}, expected)


@pytest.mark.parametrize("ending", ["signal", "end"])
def test_a_full_disk_at_the_last_save(tmp_path: Path, unbroken: dict[str, Any], ending: str):
    """A stop that cannot save has another exit code; both say from where the run goes on."""
    folder = tmp_path / "run"
    run = Run.start(folder, pause=0.03, **options())
    run.until(lambda: step(folder) >= 9)
    limited(run, 0)
    if ending == "signal":
        time.sleep(0.1)
        run.signal(TERM)
    assert run.end() == [EXIT_UNSAVED if ending == "signal" else 1]
    reached, words = step(folder), run.words()
    assert f"the checkpoint of step {reached}" in words
    assert "file-size limit" in words
    finished(folder, **options())
    assert events(folder, "resumed")[0]["step"] == reached
    equal(result(folder), unbroken)


def test_two_processes(tmp_path: Path):
    """Killed together; then one of them is asked to end, and both do."""
    folder, ours = tmp_path / "run", options(gradient_accumulation_steps=2, batch_size=1, ema_decay=0.9)
    run = Run.start(folder, 2, pause=PAUSE, **ours)
    run.until(lambda: step(folder) >= 6)
    run.kill()
    run = Run.start(folder, 2, pause=PAUSE, **ours)
    run.until_resumed(2)
    time.sleep(0.2)
    run.signal(TERM, rank=1)
    assert run.end(20) == [EXIT_INTERRUPTED] * 2
    reached = step(folder)
    finished(folder, 2, ahead=0, **ours)
    assert [event["step"] for event in events(folder, "resumed")][-1] == reached
    equal(result(folder), result(finished(tmp_path / "whole", 2, **ours)))


def test_a_save_by_the_clock(tmp_path: Path):
    """Every so many minutes, whatever the step; the processes agree on it."""
    folder = tmp_path / "run"
    ours = options(interval=None, keep_best=False, minutes=0.2 / 60, keep_last_n=-1)
    finished(folder, 2, pause=0.03, **ours)
    saved = events(folder, "checkpoint")
    times = [event["time"] for event in saved[:-1]]  # the last is that of the end
    (began,) = (event["time"] for event in events(folder, "started"))
    # Saves begin that far apart, and are told when they are done: a slow one is told late, not the next.
    assert 2 <= len(times) <= (times[-1] - began) / 0.2 + 1
    assert saved[-1]["step"] == STEPS
