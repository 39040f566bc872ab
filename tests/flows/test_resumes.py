"""A training that is stopped from outside goes on within its run; one whose run is ended does not."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from fake_pipeline import FakePipeline

from ltx_core.errors import LtxError
from tasks._process import InterruptedTrainingError
from tasks._work import Job, Work


class Notes:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, level: int, text: str) -> None:
        self.lines.append(text)

    def progress(self, stage: str, progress: object) -> None:
        pass


class Asked:
    """A training that a run waits for in a thread."""

    def __init__(self, fake: FakePipeline, *overrides: str) -> None:
        self.notes = Notes()
        self.work = Work(Job("fake.yaml", overrides, ""), fake, self.notes)
        self.found: list[object] = []
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        try:
            self.found.append(self.work.compute_alone("train", ["train-0"]))
        except LtxError as error:
            self.found.append(error)


def running(folder: Path, before: int = 0) -> int:
    """The process that trains, when it is another one than before; else 0."""
    path = folder / "train.pid"
    text = path.read_text() if path.exists() else ""
    return int(text) if text and int(text) != before else 0


def test_a_training_that_is_stopped_from_outside_goes_on(fake, tmp_path, until):
    asked = Asked(fake, "sleep=60")
    until(lambda: running(tmp_path))
    first = running(tmp_path)
    os.kill(first, signal.SIGTERM)  # as a scheduler does, to the training alone
    asked.thread.join(30)
    assert asked.found == [fake.manifest("train") | {"seconds": 0.5}]
    assert running(tmp_path, first), "another process went on"
    assert any("goes on (1 of 2)" in line for line in asked.notes.lines)
    asked.work.close()


def test_not_for_ever(fake, tmp_path, until):
    asked, pid = Asked(fake, "sleep=60", "deaf=yes"), 0
    for _ in range(3):  # the first, and `engine.resumes` more
        until(lambda pid=pid: running(tmp_path, pid))
        pid = running(tmp_path, pid)
        os.kill(pid, signal.SIGTERM)
    asked.thread.join(30)
    assert isinstance(asked.found[0], InterruptedTrainingError)
    assert sum("goes on" in line for line in asked.notes.lines) == 2
    asked.work.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_the_run_ends_or_the_kernel_kills_does_not_go_on(fake, tmp_path, until, number):
    asked = Asked(fake, "sleep=60")
    until(lambda: running(tmp_path))
    first = running(tmp_path)
    if number == signal.SIGTERM:
        asked.work.close()
    else:
        os.kill(first, number)
    asked.thread.join(30)
    assert isinstance(asked.found[0], LtxError)
    assert not running(tmp_path, first)
    assert not any("goes on (" in line for line in asked.notes.lines)
    asked.work.close()
