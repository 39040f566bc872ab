"""A training by two processes by the real command: one is killed, all are stopped, one process ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from cli import ROOT, Clone, environment, finish, running, start, until

from ltx_core.training.log import read_metrics

STEPS = 12
OWN = (f"optimization.steps={STEPS}", "checkpoints.interval=2", "validation.interval=100")
TWO = "acceleration.processes=2"
TRAIN = ("stage", "train", "configs/demo.yaml")


def ranks(clone: Clone) -> dict[str, int]:
    """The process ids of the training processes by their number."""
    found = {}
    for process in running(clone.folder):
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            found[process.environ().get("RANK", "")] = process.pid
    return found


def by_hand(clone: Clone, *overrides: str) -> subprocess.Popen[str]:
    """`python -m ltx_core train CONFIG`, as torchrun would start it."""
    command = [sys.executable, "-m", "ltx_core", "train", "configs/demo.yaml", *clone.overrides, *overrides]
    env = {**environment(clone.folder), "PYTHONPATH": str(ROOT)}
    return start(command, cwd=clone.folder, env=env)


def folders(clone: Clone) -> list[Path]:
    """Folders of the runs of so many steps; the run that the clone was made with has fewer."""
    texts = {path.parent: path.read_text() for path in (clone.workspace / "runs").glob("*/config.yaml")}
    return [folder for folder, text in texts.items() if f"steps: {STEPS}\n" in text]


def reached(clone: Clone, step: int) -> bool:
    """Whether a checkpoint of that step or a later one is there."""
    names = [path.name for folder in folders(clone) for path in (folder / "checkpoints").glob("step_*")]
    return any(int(name.removeprefix("step_")) >= step for name in names)


@pytest.mark.prove
def test_two_processes_are_killed_stopped_and_followed_by_one(fork: Clone):
    clone = fork

    # One process is killed: the other ends, and the command says which it was.
    flow = clone.start(*TRAIN, *OWN, TWO)
    until(lambda: "1" in ranks(clone), seconds=200)
    until(lambda: reached(clone, 2), seconds=200)
    os.kill(ranks(clone)["1"], signal.SIGKILL)
    assert "training process 1 of 2 was killed" in finish(flow, 1)
    until(lambda: not running(clone.folder))

    # The launcher is asked to stop: all save and the code says so.
    launcher = by_hand(clone, *OWN, TWO)
    until(lambda: reached(clone, 6), seconds=200)
    launcher.send_signal(signal.SIGTERM)
    assert '"interrupted": true' in finish(launcher, 75)
    (folder,) = folders(clone)
    assert 6 <= len(read_metrics(folder)) < STEPS
    until(lambda: not running(clone.folder))

    # The launcher is killed: nothing outlives it.
    launcher = by_hand(clone, *OWN, TWO)
    until(lambda: "1" in ranks(clone), seconds=200)
    launcher.kill()
    launcher.communicate()
    until(lambda: not running(clone.folder), seconds=20)

    # One process with twice the passes is the same run.
    clone.ltx(*TRAIN, *OWN, "optimization.gradient_accumulation_steps=2")
    assert folders(clone) == [folder]
    assert [row["step"] for row in read_metrics(folder)] == list(range(1, STEPS + 1))
    assert (folder / "lora.safetensors").is_file()
