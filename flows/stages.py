"""Each stage as a flow of its own, `stage-<name>`: the stage and what it needs, nothing after it."""

from __future__ import annotations

from typing import Any

from flows._run import LtxFlow, ltx_flow, open_run, run_stage
from flows.prepare_dataset import PREPARATION
from tasks.evaluate import evaluate
from tasks.publish import publish
from tasks.push import push
from tasks.train import train

STAGES = {stage.name: stage for stage in (*PREPARATION, train, evaluate, publish, push)}


def stage_flow(name: str) -> LtxFlow:
    """The flow of stage `name`."""

    @ltx_flow(f"stage-{name}")
    def run(config: str, overrides: list[str] | None = None) -> dict[str, Any]:
        with open_run(config, overrides) as work:
            work.along = tuple(work.pipeline.stages(name))
            return {needed: run_stage(STAGES[needed], work) for needed in work.along}

    return run


FLOWS = {name: stage_flow(name) for name in STAGES}
