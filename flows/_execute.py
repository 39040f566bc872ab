"""A flow run from the command line, in this process: the store is asked first.

When nothing is missing, neither Prefect nor torch is imported. Otherwise the worker child loads its libraries
while Prefect's server starts and this process imports Prefect.
"""

from __future__ import annotations

import importlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows._screen import ScreenDisplay, console, errors
from flows._server import server
from tasks._work import Job, Work, prepare

if TYPE_CHECKING:
    from ltx_core.run import Pipeline
    from ltx_core.stages.base import StagePlan

TERMINATED, INTERRUPTED = 143, 130
"""Exit codes of a run that was ended by SIGTERM and by Ctrl-C, as shells have them."""


def execute(job: Job, until: str | None = None) -> tuple[Path, dict[str, Any]]:
    """Run the flow `train-lora`, or the flow of the stage `until`.

    Returns:
        the workspace, and the manifests of all stages by name.

    Raises:
        LtxError: for a user's mistake and for a child that broke down.
        SystemExit: after Ctrl-C or SIGTERM, when the children have ended.
    """
    pipeline = job.open()
    pipeline.config.fetch(lambda text: errors.print(text, markup=False))
    names = pipeline.stages(until)
    plans: list[StagePlan] = []
    for name in names:  # what comes after a missing stage is not known yet
        plans.append(pipeline.plan(name))
        if plans[-1].missing or not plans[-1].ready:
            return pipeline.config.workspace, _run(job, pipeline, until)
    manifests = {name: pipeline.manifest(name) for name in names}
    with ScreenDisplay() as display:
        for plan in plans:
            display.planned(plan)
            display.finished(plan.stage, manifests[plan.stage])
    return pipeline.config.workspace, manifests


def _run(job: Job, pipeline: Pipeline, until: str | None) -> dict[str, Any]:
    for warning in pipeline.refuse():
        errors.print(f"warning: {warning}", markup=False)
    for line in pipeline.changes():
        errors.print(line, markup=False)
    with _signals(), ScreenDisplay() as display, Work(job, pipeline, display) as work:
        work.warm()
        with server(pipeline.config.workspace / "prefect"):
            return _call_flow(work, until)


def _call_flow(work: Work, until: str | None) -> dict[str, Any]:
    """Call the flow with Prefect's heartbeat off: it holds up a run's end by a second, and nobody listens."""
    from prefect.exceptions import TerminationSignal
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    if until is None:
        flow = importlib.import_module("flows.train_lora").train_lora
    else:
        flow = importlib.import_module("flows.stages").FLOWS[until]
    prepare(work)
    try:
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            manifests: dict[str, Any] = flow(work.job.config, list(work.job.overrides))
            return manifests
    except TerminationSignal:
        raise SystemExit(TERMINATED) from None


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM ends this process as Ctrl-C does: children first, a training after it has saved."""

    def terminate(number: int, frame: object) -> None:
        raise SystemExit(TERMINATED)

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        console.print("stopped; what was computed is kept, and the same command goes on from there")
        raise SystemExit(INTERRUPTED if isinstance(stop, KeyboardInterrupt) else stop.code) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
