"""The real `ltx` command in processes of its own, and what lies in a workspace afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ltx_core.config.load import load
from ltx_core.run import Pipeline
from ltx_core.store.rows import Row
from ltx_core.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
LTX = Path(sys.executable).with_name("ltx")
SHORT = (
    "optimization.steps=6",
    "optimization.warmup_steps=2",
    "validation.heldout_samples=1",
    "validation.heldout_levels=2",
    "validation.inference_steps=2",
    "validation.influence_clips=1",
    "engine.threads=1",
    "acceleration.threads=1",
)
"""Overrides that make a run of the demo a matter of seconds, on one thread."""
BEFORE_TRAINING = ("sources", "scenes", "clips", "scores", "captions", "text")
BEFORE_TRAINING += ("latents", "audio_latents", "dataset")
LIMIT_S = 300.0


@dataclass(frozen=True)
class Clone:
    """A folder that holds configs, model and footage as a clone of the project does; commands run in it."""

    folder: Path
    overrides: tuple[str, ...] = SHORT
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, *overrides: str) -> Clone:
        """Copy what a run reads."""
        for name in ("configs", "data/model", "data/footage"):
            shutil.copytree(ROOT / name, folder / name)
        return cls(folder, (*SHORT, *overrides))

    @property
    def footage(self) -> Path:
        return self.folder / "data" / "footage"

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start `ltx ARGUMENTS` with this clone's overrides before those among the arguments."""
        own = [one for one in arguments if "=" in one]
        command = [str(LTX), *(one for one in arguments if one not in own), *self.overrides, *own]
        return start(command, cwd=self.folder, env={**environment(self.folder), **self.env}, **options)

    def ltx(self, *arguments: str, code: int = 0, **options: Any) -> str:
        """Run it to its end, which must be `code`; its output, errors included."""
        output = finish(self.start(*arguments, **options), code)
        until(lambda: not running(self.folder))
        return output

    def pipeline(self, *overrides: str, config: str = "demo") -> Pipeline:
        """The pipeline of a config in this clone, to look at."""
        path = self.folder / "configs" / f"{config}.yaml"
        return Pipeline(load(path, [*self.overrides, *overrides], self.folder))

    def run_folder(self) -> Path:
        """The folder of the only run."""
        (folder,) = (self.workspace / "runs").iterdir()
        return folder


def start(command: list[str], **options: Any) -> subprocess.Popen[str]:
    """A process in a group of its own, as a shell starts one; output and errors in one pipe."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0, **{**pipes, **options})


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """The output of a process that must end with `code`, without a stack trace."""
    try:
        output, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == code, output
    assert "Traceback" not in output, output
    return output


def environment(home: Path) -> dict[str, str]:
    """This process's, without anything that the user has set for Prefect, on one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    # A HOME of its own: no profile of Prefect's and no cache of a library is found or left.
    own = {"HOME": str(home), "COLUMNS": "200", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return {**kept, **own}


def running(folder: Path) -> list[psutil.Process]:
    """The processes that run in a folder: commands that were started there and all that they have started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it ended meanwhile, or is another user's
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def until(condition: Callable[[], bool], seconds: float = 60, every: float = 0.02) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(every)


def files(workspace: Path) -> dict[str, int]:
    """Every file of a workspace's store, runs and publications with the time of its last change."""
    return {
        str(path.relative_to(workspace)): path.stat().st_mtime_ns
        for room in ("store", "runs", "published")
        for path in (workspace / room).rglob("*")
        if path.is_file()
    }


def rows(workspace: Path) -> dict[str, dict[str, Row]]:
    """All committed rows by stage and key; a key stands there once."""
    store = Store(workspace / "store")
    found: dict[str, dict[str, Row]] = {}
    for stage in store.stages():
        listed = store.rows(stage)
        found[stage] = {row.row_key: row for row in listed}
        assert len(found[stage]) == len(listed), f"a row of {stage} was computed twice"
    return found


def new_rows(before: dict[str, dict[str, Row]], after: dict[str, dict[str, Row]]) -> dict[str, int]:
    """How many rows each stage has more, when nothing of before is lost or was written again."""
    for stage, kept in before.items():
        assert kept == {key: after[stage].get(key) for key in kept}, f"rows of {stage} were lost or changed"
    counts = {stage: len(found) - len(before.get(stage, ())) for stage, found in after.items()}
    return {stage: count for stage, count in counts.items() if count}


def contents(found: dict[str, dict[str, Row]]) -> dict[str, dict[str, str]]:
    """What rows hold, wherever and whenever they were computed: content digests by stage and key."""
    return {stage: {key: row.content_digest for key, row in each.items()} for stage, each in found.items()}


def stage_lines(output: str) -> dict[str, str]:
    """What a run's output says of each stage."""
    lines = (line.split(maxsplit=1) for line in output.splitlines() if line.strip())
    return {first: rest[0] for first, *rest in lines if rest}
