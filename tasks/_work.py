"""What the tasks of one run share: the resolved pipeline, the child that computes, and who watches.

The worker children are kept for a whole run, so that models are loaded once; a training gets a child of its
own, and the workers' memory is given back before. `prepare` lets the command line start a worker before
Prefect is even imported: the two then load side by side.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltx_core.errors import LtxError
from tasks._process import STOPPED, Child, InterruptedTrainingError
from tasks._workers import KILLS, Manifest, Workers, survive

if TYPE_CHECKING:
    from ltx_core.run import Pipeline
    from tasks._display import Display

WORKER = (sys.executable, "-P", "-m", "ltx_core", "worker")
TRAIN = (sys.executable, "-P", "-m", "ltx_core", "train")
GO_ON = "checkpoints.no_resume=false"
"""What a training that goes on is told, whatever the run began with."""
TRAIN_GRACE_S = 120.0
"""How long a training may take to save its state after it was asked to end; 19B models need a while."""


@dataclass(frozen=True)
class Job:
    """What a run is about: a config file, what is set on top, the folder of relative paths; plain text."""

    config: str
    overrides: tuple[str, ...]
    base_dir: str

    @classmethod
    def of(cls, config: Path, overrides: Sequence[str]) -> Job:
        """The job of a config as it is meant in the current folder."""
        return cls(str(config.absolute()), tuple(overrides), str(Path.cwd()))

    def open(self) -> Pipeline:
        """The pipeline of this job; no torch. Raises ConfigError."""
        from ltx_core import run
        from ltx_core.config.load import load

        return run.Pipeline(load(Path(self.config), self.overrides, Path(self.base_dir)))

    def request(self, stage: str, chunk: Sequence[str], along: Sequence[str] = ()) -> Mapping[str, Any]:
        """The line that asks a child for the rows `chunk` of `stage`; stages `along` may go along."""
        return {
            "config": self.config,
            "overrides": list(self.overrides),
            "base_dir": self.base_dir,
            "stage": stage,
            "chunk": list(chunk),
            "along": list(along),
        }


class Work:
    """One run's pipeline and children; a context that ends the children."""

    def __init__(self, job: Job, pipeline: Pipeline, display: Display) -> None:
        self.job = job
        self.pipeline = pipeline
        self.display = display
        self.count: int = pipeline.config.engine.workers
        """How many chunks are computed at a time."""
        self._workers = Workers(self.count, lambda: Child(WORKER, display.note, threads=self._threads()))
        self.along: tuple[str, ...] = ()
        """The stages of this run: one that needs a clip's frames goes along with another."""
        self.working: set[str] = set()
        """Stages of which rows have been computed: a row that kills its process is itself to blame."""
        self.watcher: Callable[[Mapping[str, Any]], None] | None = None
        """Sees a training's progress beside the display."""
        self._training: Child | None = None
        self._closed = False
        self._starting = threading.Lock()

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the children, a training with time to save; nothing can be computed afterwards."""
        self._closed = True
        if self._training is not None:
            self._training.close()
        self._workers.close()

    def warm(self) -> None:
        """Start a worker: it loads its libraries while this process goes on."""
        self._workers.warm()

    def compute(self, stage: str, chunk: Sequence[str]) -> Manifest:
        """Have a worker compute some rows of a stage; rows that kill it are set aside."""
        report = partial(self.display.progress, stage)

        def ask(keys: Sequence[str], along: Sequence[str] = (), **more: str) -> Manifest:
            return self._workers.ask({**self.job.request(stage, keys, along), **more}, report)

        together, kill = partial(ask, along=self.along), partial(ask, set_aside=KILLS)
        manifest = survive(chunk, together, ask, kill, works=stage in self.working)
        self.working.add(stage)
        return manifest

    def compute_alone(self, stage: str, chunk: Sequence[str]) -> Manifest:
        """Compute in a child of its own, with the machine to itself and time to save when asked to end.

        A training that was stopped from outside, and has saved, goes on; `engine.resumes` times at the most.
        """
        most: int = self.pipeline.config.engine.resumes
        further: tuple[str, ...] = ()
        for number in range(1, most + 1):
            try:
                return self._alone(stage, chunk, *further)
            except InterruptedTrainingError:
                if self._closed:
                    raise
                text = f"the training was stopped from outside and has saved: it goes on ({number} of {most})"
                self.display.note(logging.WARNING, text)
                further = (GO_ON,)
        return self._alone(stage, chunk, *further)

    def _alone(self, stage: str, chunk: Sequence[str], *further: str) -> Manifest:
        with self._starting:
            if self._closed:
                raise LtxError(STOPPED)
            self._workers.release()
            self._training = Child(TRAIN, self.display.note, TRAIN_GRACE_S)
        with self._training as child:
            job = replace(self.job, overrides=(*self.job.overrides, *further))
            return child.ask(job.request(stage, chunk), partial(self._told, stage))

    def _told(self, stage: str, progress: Mapping[str, Any]) -> None:
        self.display.progress(stage, progress)
        if self.watcher is not None:
            self.watcher(progress)

    def _threads(self) -> int | None:
        """CPU threads of each worker where several share the cores; None: as the libraries choose."""
        return max(1, (os.cpu_count() or 1) // self.count) if self.count > 1 else None


_PREPARED: dict[tuple[str, tuple[str, ...]], Work] = {}


def prepare(work: Work) -> None:
    """Leave `work` for the flow of this process that is about to open the same config and overrides."""
    _PREPARED[work.job.config, work.job.overrides] = work


def open_work(job: Job, display: Display) -> Work:
    """The work that was prepared for `job`, else a new one told through `display`."""
    return _PREPARED.pop((job.config, job.overrides), None) or Work(job, job.open(), display)
