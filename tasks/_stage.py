"""The factory of the stages' tasks: have a chunk's rows computed, record an artifact, return the manifest.

The store is the only cache: Prefect's own is off (`NO_CACHE`) and no result is persisted. A stage that is
wholly in the store is one task run in the state `Cached`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run
from prefect.states import Completed, Failed

from ltx_core.errors import LtxError
from tasks._artifact import record
from tasks._training import TrainingPages, last_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefect.client.schemas.objects import State

    from tasks._work import Work
    from tasks._workers import Manifest

StageTask = Task[..., Any]


def stage_task(name: str, description: str, *, alone: bool = False, gpu: bool = False) -> StageTask:
    """The task of stage `name`.

    `alone` gives it a child process of its own; `gpu` places its runs under the concurrency limit `gpu`.
    """

    def compute(work: Work, chunk: Sequence[str] | None) -> Manifest | State[Any]:
        try:
            if alone:
                work.watcher = TrainingPages(work.pipeline.config.workspace)
            if chunk is None:
                manifest = work.pipeline.manifest(name)
            else:
                manifest = (work.compute_alone if alone else work.compute)(name, chunk)
            work.display.finished(name, manifest)
            workspace = work.pipeline.config.workspace
            record(name, manifest, workspace, last_page(workspace, manifest) if alone else "")
        except LtxError as error:  # a state instead of an exception: no stack trace in anyone's log
            return Failed(message=str(error), data=error)
        return (
            Completed(name="Cached", message="in the store already", data=manifest)
            if chunk is None
            else manifest
        )

    decorate = task(
        name=name,
        description=description,
        task_run_name=_run_name,
        tags=["gpu"] if gpu else [],
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    return decorate(compute)


def _run_name() -> str:
    """`latents 64 rows`, for Prefect's pages."""
    chunk = task_run.parameters.get("chunk")
    return f"{task_run.task_name} {'cached' if chunk is None else f'{len(chunk)} rows'}"
