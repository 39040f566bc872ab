"""The step of `prefect.yaml` that keeps a schedule as its user left it.

Prefect makes a new schedule active, and a fixed `active: false` in the file would pause it again with every
deploy. So this step asks the server at deploy time: a schedule is paused when its deployment is new, and
otherwise stays as it is.
"""

from __future__ import annotations

from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound


async def schedule_state(deployment: str, slug: str) -> dict[str, bool | str]:
    """What `prefect.yaml` is told of the schedule `slug` of `deployment` (`flow/deployment`).

    Returns:
        `checkout`, the folder of the project, and for a new schedule `active`, false.
    """
    outputs: dict[str, bool | str] = {"checkout": str(Path(__file__).resolve().parents[1])}
    async with get_client() as client:
        try:
            schedules = (await client.read_deployment_by_name(deployment)).schedules
        except ObjectNotFound:
            schedules = []
    if slug not in {schedule.slug for schedule in schedules}:
        outputs["active"] = False
    return outputs
