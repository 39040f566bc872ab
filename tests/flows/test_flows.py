"""Flows on a real (local) Prefect server: what is computed, what is Cached, how a failure looks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fake_pipeline import ROWS, FakePipeline

from ltx_core.errors import LtxError

pytestmark = pytest.mark.usefixtures("prefect_server")


def last_run(flow_name: str) -> dict[str, Any]:
    """The last run of a flow as the server knows it: state, states of its task runs, log, artifacts."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas import filters
    from prefect.client.schemas.sorting import FlowRunSort

    async def read() -> dict[str, Any]:
        async with get_client() as client:
            by_name = filters.FlowFilter(name=filters.FlowFilterName(any_=[flow_name]))
            run, *_ = await client.read_flow_runs(flow_filter=by_name, sort=FlowRunSort.START_TIME_DESC)
            this_run = filters.FlowRunFilter(id=filters.FlowRunFilterId(any_=[run.id]))
            tasks = await client.read_task_runs(flow_run_filter=this_run)
            artifacts = await client.read_artifacts(flow_run_filter=this_run)
            mine = filters.LogFilter(flow_run_id=filters.LogFilterFlowRunId(any_=[run.id]))
            logs = await client.read_logs(log_filter=mine)
        states = sorted((task.name, task.state_name) for task in tasks)
        return {"state": run.state, "tasks": states, "artifacts": artifacts, "logs": logs}

    return asyncio.run(read())


def in_flight(run: dict[str, Any]) -> bool:
    """Whether the server has not heard of a task run's end yet: its states come later than the run's own."""
    return any(state in ("Pending", "Running") for _, state in run["tasks"])


def flush() -> None:
    from flows._server import send_the_rest

    send_the_rest()


def test_only_missing_chunks_run_and_a_whole_stage_is_cached(fake: FakePipeline, until):
    from flows.train_lora import train_lora

    manifests = train_lora("fake.yaml")
    assert manifests["evaluate"]["report"].endswith("report.html")
    assert manifests["references"] == {}
    assert {stage: len(list((fake.folder / stage).iterdir())) for stage in ROWS} == ROWS
    workers = {path.read_text() for stage in ("clips", "latents") for path in (fake.folder / stage).iterdir()}
    assert len(workers) == 1, "one worker serves the whole run"
    assert fake.path("train", "train-0").read_text() not in workers, "a training has a process of its own"

    fake.path("latents", "latents-3").unlink()
    train_lora("fake.yaml")
    until(lambda: len(last_run("train-lora")["tasks"]) == len(ROWS) and not in_flight(last_run("train-lora")))
    states = dict(last_run("train-lora")["tasks"])
    assert states == {f"{name} cached": "Cached" for name in ROWS if name != "latents"} | {
        "latents 1 rows": "Completed"
    }


def test_a_stage_flow_runs_the_stage_and_what_it_needs(fake: FakePipeline):
    from flows.stages import FLOWS

    assert list(FLOWS["captions"]("fake.yaml")) == ["sources", "clips", "captions"]
    assert not (fake.folder / "latents").exists()


def test_an_artifact_shows_counts_and_reasons(fake: FakePipeline, until):
    from flows.stages import FLOWS

    FLOWS["sources"]("fake.yaml")
    until(lambda: bool(last_run("stage-sources")["artifacts"]))
    artifact = last_run("stage-sources")["artifacts"][0]
    assert artifact.key == "sources"
    assert "| broken.mp4 | unreadable: moov atom not found |" in artifact.data


def test_a_mistake_fails_with_its_message_alone(fake: FakePipeline):
    from flows.prepare_dataset import prepare_dataset

    with pytest.raises(LtxError, match="/nowhere does not exist"):
        prepare_dataset("fake.yaml", ["mistake=captions"])
    flush()
    run = last_run("prepare-dataset")
    assert run["state"].name == "Failed"
    assert run["state"].message.startswith("dataset.source /nowhere does not exist")
    assert not any("Traceback" in log.message for log in run["logs"])
    assert len(list((fake.folder / "clips").iterdir())) == ROWS["clips"], "what was computed is kept"


def test_a_broken_child_fails_with_the_end_of_its_log(fake: FakePipeline):
    from flows.prepare_dataset import prepare_dataset

    with pytest.raises(LtxError, match=r"a bug\n.*about to fail"):
        prepare_dataset("fake.yaml", ["crash=clips"])
