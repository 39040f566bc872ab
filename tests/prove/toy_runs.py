"""Trainings of the toy in processes of their own, forked from one that has torch loaded already."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "unit" / "training"))

import pyarrow.parquet  # noqa: E402, F401  # these would be imported by every process anew
import torch._dynamo  # noqa: E402, F401
import toy  # noqa: E402

from ltx_core.errors import LtxError  # noqa: E402
from ltx_core.training import checkpoint as saving  # noqa: E402
from ltx_core.training.checkpoint import STATE, checkpoints, latest, load_state  # noqa: E402
from ltx_core.training.log import TIMED, read_metrics  # noqa: E402
from ltx_core.training.loop import CHECKPOINTS, train  # noqa: E402
from ltx_core.training.plan import Hook  # noqa: E402

STEPS = 40


@cache
def forks() -> Any:
    """What starts processes that have all libraries loaded; its own process finds this module by the path."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["toy_runs"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join((str(HERE), str(HERE.parents[1])))
    forkserver.ensure_running()
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before
    return context


def options(**changes: Any) -> dict[str, Any]:
    """A training over several epochs that measures, draws, and keeps the best."""
    return {"steps": STEPS, "interval": 3, "keep_last_n": 2, "scheduler_type": "cosine"} | changes


def train_toy(folder: Path, changes: dict[str, Any], place: dict[str, str], told: Connection | None) -> None:
    """Train in this process; of several where `place` says so.

    `slow` seconds pass between the files of a checkpoint and its name, and `slow_export` inside its export.
    """
    os.environ.update(place)
    slow, slow_export = changes.pop("slow", 0.0), changes.pop("slow_export", 0.0)
    plan, parts = toy.make(folder, **changes)
    seal, export = saving.seal, parts.export

    def sealed(target: Path, step: int) -> None:
        seal(target, step)
        time.sleep(slow)

    def exported(target: Path, step: int) -> None:
        export(target, step)
        time.sleep(slow_export)

    saving.seal = sealed
    parts = replace(parts, export=exported)

    def measure(step: int) -> dict[str, float]:
        weight = parts.model.layer.weight.double()
        return {"heldout_video": float((weight - 0.1).square().mean()) + 1.0}

    def draw(step: int) -> None:
        target = folder / "samples" / f"{step:06d}.bin"
        if place.get("RANK", "0") == "0" and not target.exists():
            target.parent.mkdir(exist_ok=True)
            half = target.with_suffix(".half")
            half.write_bytes(parts.model.layer.weight.numpy().tobytes())
            half.rename(target)

    hooks = [Hook(measure, every=4, at_start=True, at_end=True), Hook(draw, every=5)]
    try:
        train(plan, parts, toy.accelerator(), hooks)
    except LtxError as error:
        if told is not None:
            told.send(str(error))
        raise SystemExit(1) from None
    except SystemExit as stop:
        if told is not None:
            told.send(str(stop))
        raise


@dataclass
class Run:
    """One training: its processes, and what it has told."""

    folder: Path
    processes: list[Any] = field(default_factory=list)
    told: Any = None

    @classmethod
    def start(cls, folder: Path, world: int = 1, **changes: Any) -> Run:
        """Start it; of `world` processes."""
        told, tell = forks().Pipe(duplex=False)
        run = cls(folder, told=told)
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(world)}
        for rank in range(world):
            own = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "ACCELERATE_USE_CPU": "true"}
            arguments = (folder, dict(changes), own if world > 1 else {}, tell if rank == 0 else None)
            process = forks().Process(target=train_toy, args=arguments)
            process.start()
            run.processes.append(process)
        tell.close()
        return run

    def signal(self, number: int, rank: int = 0) -> None:
        os.kill(self.processes[rank].pid, number)

    def kill(self) -> None:
        """As a power cut does."""
        for process in self.processes:
            process.kill()
        self.end()

    def end(self, seconds: float = 60) -> list[int | None]:
        """Exit codes of all, when they have ended."""
        for process in self.processes:
            process.join(seconds)
        return [process.exitcode for process in self.processes]

    def words(self) -> str:
        """Its error."""
        return str(self.told.recv()) if self.told.poll(1) else ""

    def until(self, condition: Any, seconds: float = 60) -> None:
        """Wait for something while it runs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert all(process.is_alive() for process in self.processes), self.words()
            assert time.monotonic() < deadline, "timed out"
            time.sleep(0.002)

    def until_resumed(self, times: int) -> None:
        """Wait until it trains, for the `times`-th time in its folder."""
        self.until(lambda: len(begun(self.folder)) >= times)


def finished(folder: Path, world: int = 1, **changes: Any) -> Path:
    """Train to the end."""
    run = Run.start(folder, world, **changes)
    assert run.end(120) == [0] * world, run.words()
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def events(folder: Path, name: str) -> list[dict[str, Any]]:
    """Events of a name, from the run's log."""
    path = folder / "log.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return [event for event in found if event["event"] == name]


def begun(folder: Path) -> list[dict[str, Any]]:
    """Every time that the run began or went on."""
    return [*events(folder, "started"), *events(folder, "resumed")]


def step(folder: Path) -> int:
    """Of the newest whole checkpoint; 0 without one."""
    found = latest(folder / CHECKPOINTS)
    return 0 if found is None else int(found.name.removeprefix("step_"))


def result(folder: Path) -> dict[str, Any]:
    """All that an interrupted run must have in common with an unbroken one: to the bit."""
    kept = checkpoints(folder / CHECKPOINTS)
    newest = kept[-1]
    files = {
        path.relative_to(newest).as_posix(): path.read_bytes()
        for path in sorted(newest.rglob("*"))
        if path.suffix == ".safetensors"
    }
    assert f"{STATE}/optimizer.safetensors" in files
    return {
        "steps": [path.name for path in kept],
        "files": files,
        "numbers": load_state(newest).numbers,
        "metrics": [
            {name: value for name, value in row.items() if name not in TIMED} for row in read_metrics(folder)
        ],
        "samples": {path.name: path.read_bytes() for path in sorted((folder / "samples").glob("*.bin"))},
        "left over": [path.name for path in (folder / CHECKPOINTS).glob(".*")],
    }


TERM, INT = signal.SIGTERM, signal.SIGINT
