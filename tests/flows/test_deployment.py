"""The deployment on a real, secured server with a real worker: what docs/operations.md says, done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from deployment import DEPLOYMENT, Site

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1200)]

FEW_STEPS = [
    "optimization.steps=4",
    "optimization.warmup_steps=1",
    "optimization.batch_size=2",
    "checkpoints.interval=2",
    "validation.interval=1000",
    "validation.inference_steps=2",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    try:
        yield site
    finally:
        site.close()


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [f"workspace={tmp_path_factory.mktemp('workspace')}", *FEW_STEPS]


def test_the_server_is_secured(site: Site):
    assert httpx.post(f"{site.url}/flows/filter", json={}).status_code in (401, 403)
    page = {"Origin": "http://a-page-of-someone.else", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{site.url}/flows/filter", headers=page)
    assert "access-control-allow-origin" not in answer.headers


def test_a_schedule_is_paused_at_first_and_then_stays_as_it_was_left(site: Site):
    site.prefect("deploy", "--all")
    schedule = site.schedule()
    assert (schedule.slug, schedule.active, schedule.schedule.cron) == ("weekly", False, "0 3 * * 0")
    site.prefect("deployment", "schedule", "resume", DEPLOYMENT, str(schedule.id))
    site.prefect("deploy", "--all")
    assert site.schedule().active
    site.prefect("deployment", "schedule", "pause", DEPLOYMENT, str(schedule.id))
    site.prefect("deploy", "--all")
    assert not site.schedule().active


def test_the_deployment_runs_and_the_second_run_is_cached(site: Site, overrides: list[str]):
    first = site.run(overrides)
    assert site.finished(first) == "Completed", site.log("worker")
    # The latents went along with the captions, of the same frames: their turn finds them in the store.
    site.until(lambda: site.states(first) == {"Completed", "Cached"}, 20)
    workspace = Path(overrides[0].partition("=")[2])
    assert list(workspace.glob("runs/*/report.html"))

    second = site.run(overrides)
    assert site.finished(second) == "Completed"
    site.until(lambda: site.states(second) == {"Cached"}, 20)


def test_a_scheduled_run_happens(site: Site, overrides: list[str]):
    from prefect.client.schemas.schedules import CronSchedule

    deployment = site.ask(lambda client: client.read_deployment_by_name(DEPLOYMENT))
    parameters = {"config": "configs/demo.yaml", "overrides": overrides}
    change = {"active": True, "schedule": CronSchedule(cron="* * * * *"), "parameters": parameters}
    schedule = site.schedule()
    site.ask(lambda client: client.update_deployment_schedule(deployment.id, schedule.id, **change))

    def scheduled() -> list[str]:
        runs = site.ask(lambda client: client.read_flow_runs())
        return [str(run.id) for run in runs if run.auto_scheduled and run.state_name == "Completed"]

    site.until(lambda: bool(scheduled()), 200)
    site.prefect("deployment", "schedule", "pause", DEPLOYMENT, str(schedule.id))
    site.until(lambda: site.states(scheduled()[0]) == {"Cached"}, 20)


def test_a_mistake_fails_the_run_with_its_message_alone(site: Site):
    run = site.run(["dataset.source=/nowhere"])
    assert site.finished(run) == "Failed"
    message = site.ask(lambda client: client.read_flow_run(run)).state.message
    assert "/nowhere does not exist" in message
    assert "Traceback" not in site.prefect("flow-run", "logs", run)


def test_a_cancelled_training_saves_and_ends(site: Site, overrides: list[str], until):
    workspace = Path(overrides[0].partition("=")[2])
    before = set(workspace.glob("runs/*"))
    run = site.run([*overrides, "optimization.steps=100000", "checkpoints.interval=100000"])

    def training() -> list[psutil.Process]:
        below = psutil.Process(site.worker.pid).children(recursive=True)
        return [child for child in below if child.is_running() and child.cmdline()[-1] == "train"]

    def folder() -> Path | None:
        return next(iter(set(workspace.glob("runs/*")) - before), None)

    def begun() -> bool:
        log = (folder() or workspace) / "log.jsonl"
        return log.exists() and "measured" in log.read_text()

    site.until(begun, 200)
    (child,) = training()
    site.prefect("flow-run", "cancel", run)
    assert site.finished(run, 120) == "Cancelled"
    until(lambda: not child.is_running())
    assert list((folder() or workspace).glob("checkpoints/step_*"))
