"""Child processes: what they answer, how they end, and that none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from fake_pipeline import FakePipeline

from ltx_core.errors import LtxError
from tasks._process import Child, ChildError, InterruptedTrainingError, end, start

FAKE = Path(__file__).with_name("fake_pipeline.py")
ROOT = FAKE.parents[2]


def child(kind: str, folder: Path, grace: float = 10) -> Child:
    return Child((sys.executable, str(FAKE), kind, str(folder)), lambda level, text: None, grace)


def request(stage: str = "clips", *overrides: str) -> dict[str, object]:
    return {"stage": stage, "chunk": ["a", "b"], "overrides": list(overrides)}


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_child_answers_more_than_once_and_reports(tmp_path: Path):
    seen: list[dict[str, object]] = []
    with child("worker", tmp_path) as worker:
        assert worker.ask(request("clips"), seen.append)["rows"] == 2
        assert worker.ask(request("latents"), seen.append)["stage"] == "latents"
    assert seen == [{"done": 0, "total": 2}] * 2
    assert not worker.alive


def test_errors_keep_the_difference_between_a_mistake_and_a_bug(tmp_path: Path):
    with child("worker", tmp_path) as worker:
        with pytest.raises(LtxError, match="/nowhere does not exist") as mistake:
            worker.ask(request("clips", "mistake=clips"), print)
        assert not isinstance(mistake.value, ChildError)
        with pytest.raises(ChildError, match="a bug"):
            worker.ask(request("clips", "crash=clips"), print)
        with pytest.raises(ChildError, match="too little memory"):
            worker.ask(request("clips", "die=clips"), print)
        with pytest.raises(ChildError):  # and it stays dead
            worker.ask(request("clips"), print)


def test_a_child_that_cannot_start_says_so(tmp_path: Path):
    broken = Child((sys.executable, "-c", "import nothing_of_this_name"), lambda level, text: None)
    with broken, pytest.raises(ChildError, match="nothing_of_this_name"):
        broken.ask(request(), print)


def test_a_training_that_is_asked_to_end_saves(tmp_path: Path, until):
    training = child("train", tmp_path)
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            training.ask(request("train", "sleep=60"), print)
        except LtxError as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    until((tmp_path / "train.pid").exists)
    training.close()
    asking.join(5)
    assert (tmp_path / "saved").exists()
    assert isinstance(failures[0], InterruptedTrainingError)


def test_a_deaf_child_and_its_children_are_forced(tmp_path: Path, until):
    script = "trap '' TERM; sleep 300 & echo $!; while true; do sleep 1; done"
    process = start(["bash", "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    grandchild = int(process.stdout.readline())
    began = time.monotonic()
    end(process, grace=0.5)
    assert time.monotonic() - began < 5
    assert process.returncode == -signal.SIGKILL
    until(lambda: gone(grandchild))


def test_children_end_with_a_parent_that_is_killed(tmp_path: Path, until):
    program = (
        "import subprocess, threading, time\n"
        "from tasks._process import start\n"
        "run = lambda: print(start(['sleep', '300']).pid, flush=True)\n"
        "run(); t = threading.Thread(target=run); t.start(); t.join(); time.sleep(300)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    time.sleep(0.3)
    assert not any(gone(pid) for pid in pids), "a child must not end with the thread that asked for it"
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    until(lambda: all(gone(pid) for pid in pids))


def test_the_fake_is_a_pipeline(tmp_path: Path):
    """The fake has the interface of the real one."""
    from ltx_core.run import Pipeline

    assert {name for name in vars(FakePipeline) if not name.startswith("_")} - {"path"} <= set(vars(Pipeline))
