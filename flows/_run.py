"""How a flow runs: one decorator for all, and a stage looked up whole, its missing chunks submitted."""

from __future__ import annotations

import functools
import logging
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import Flow, flow, get_run_logger
from prefect.states import Failed
from prefect.task_runners import ThreadPoolTaskRunner

from ltx_core.errors import LegacyConfigWarning, LtxError
from tasks._display import LogDisplay
from tasks._work import Job, Work, open_work
from tasks._workers import Manifest

if TYPE_CHECKING:
    from tasks._stage import StageTask

MOST_WORKERS = 64
"""Task runs at a time, at most; how many there are is said by `engine.workers`."""

LtxFlow = Flow[[str, list[str] | None], Manifest]


def _without_trace(record: logging.LogRecord) -> bool:
    """Leave the stack trace of a user's mistake out of a log: its message is complete."""
    if record.exc_info and isinstance(record.exc_info[1], LtxError):
        record.exc_info = None
    return True


for _name in ("prefect.flow_runs", "prefect.engine"):  # what a worker's process says of a flow that raised
    logging.getLogger(_name).addFilter(_without_trace)


def ltx_flow(name: str) -> Callable[[Callable[[str, list[str] | None], Manifest]], LtxFlow]:
    """Make a function of a config and its overrides the flow `name`.

    A user's mistake fails the flow with the message alone; other errors keep their stack trace. Never more
    chunks are submitted than there are workers.
    """

    def decorate(function: Callable[[str, list[str] | None], Manifest]) -> LtxFlow:
        @functools.wraps(function)
        def run(config: str, overrides: list[str] | None = None) -> Any:
            try:
                return function(config, overrides)
            except LtxError as error:
                return Failed(message=str(error), data=error)

        runner: Any = ThreadPoolTaskRunner(max_workers=MOST_WORKERS)
        return flow(name=name, task_runner=runner, persist_result=False)(run)

    return decorate


def open_run(config: str, overrides: Sequence[str] | None) -> Work:
    """The work of a flow run, told through the run's log unless the command line has prepared a display.

    Raises:
        ConfigError: when preflight refuses the config.
    """
    log = get_run_logger()
    with warnings.catch_warnings(record=True) as older:
        warnings.simplefilter("always", LegacyConfigWarning)
        work = open_work(Job.of(Path(config), overrides or ()), LogDisplay(log))
    work.pipeline.config.fetch(log.info)
    for warning in [*(found.message for found in older), *work.pipeline.refuse()]:
        log.warning("%s", warning)
    if changes := work.pipeline.changes():
        log.info("%s", "\n".join(changes))
    work.pipeline.begin()
    return work


def run_needed(stages: Sequence[StageTask], work: Work) -> dict[str, Manifest]:
    """The manifests of `stages` in order; an empty one for a stage that the mode leaves out."""
    needed = work.pipeline.stages()
    work.along = tuple(needed)
    return {stage.name: run_stage(stage, work) if stage.name in needed else {} for stage in stages}


def run_stage(stage: StageTask, work: Work) -> Manifest:
    """A stage's manifest: cached in one task run, else one task run for each chunk that is missing."""
    plan = work.pipeline.plan(stage.name)
    work.display.planned(plan)
    if plan.cached:
        work.working.add(stage.name)
    running: deque[Any] = deque()
    for chunk in plan.chunks if plan.missing else [None]:
        running.append(stage.submit(work, chunk))
        if len(running) >= work.count:
            running.popleft().result()
    for run in running:
        run.result()
    return work.pipeline.manifest(stage.name)
