"""`ltx demo-modes`: trains the modes on the demo and checks that each condition is learned; one report.

All runs share a workspace, so that clips, latents and texts are computed once, and a repeated command takes
what is there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows._execute import execute
from flows._modes_checks import TRIALS, Trial
from flows._screen import console, duration
from flows._server import server
from ltx_core.errors import ConfigError
from ltx_core.evaluation.checks import NAMES, Checked, outcomes
from ltx_core.evaluation.checks_html import render_checks
from ltx_core.evaluation.rows import Effect
from ltx_core.store.disk import write_atomic
from tasks._work import Job

CHECKOUT = Path(__file__).resolve().parents[1]
ALWAYS = (
    "validation.interval=1000000",
    "validation.heldout_samples=1",
    "validation.heldout_levels=4",
    "validation.influence_clips=8",
)
"""What matters to no check and takes time, and how much is measured."""
BESIDE = 200
"""Training steps that take as long as a run's preparation and evaluation (measured on two cores)."""
PICTURES = 6
"""Pictures shown of a mode: one clip in all variants."""


@dataclass(frozen=True)
class Found:
    """The report and whether all checks passed."""

    report: Path
    passed: bool


def check_modes(workspace: Path, overrides: Sequence[str], only: Sequence[str] = ()) -> Found:
    """Train and check every mode of `TRIALS`, then write `report.html` and `report.json`.

    Args:
        workspace: of all runs.
        overrides: for each of them, after the trial's own.
        only: modes; all when empty.

    Raises:
        ConfigError: for a mode without a check.
    """
    trials = _chosen(only)
    jobs = [_job(trial, workspace, overrides) for trial in trials]
    began = time.monotonic()
    checked = []
    with ExitStack() as stack:
        if not all(map(_cached, jobs)):  # one server for all runs
            stack.enter_context(server(workspace / "prefect"))
        for number, (trial, job) in enumerate(zip(trials, jobs, strict=True)):
            left = _left(trials, number, time.monotonic() - began)
            console.print(f"\n[{number + 1}/{len(trials)}] {trial.mode}: {trial.claim}{left}", markup=False)
            checked.append(_checked(trial, job))
            for line in _lines(checked[-1]):
                console.print(line, markup=False)
    return _report(workspace, checked)


def _chosen(only: Sequence[str]) -> list[Trial]:
    known = [trial.mode for trial in TRIALS]
    for mode in only:
        if mode not in known:
            raise ConfigError(f"no check is for the mode {mode!r}; the checks are for {', '.join(known)}")
    return [trial for trial in TRIALS if not only or trial.mode in only]


def _left(trials: Sequence[Trial], done: int, seconds: float) -> str:
    """An estimate from the trials so far, by their training steps and what each run takes beside them."""
    if not done:
        return ""
    costs = [trial.steps + BESIDE for trial in trials]
    return f" (about {duration(seconds / sum(costs[:done]) * sum(costs[done:]))} left)"


def _job(trial: Trial, workspace: Path, overrides: Sequence[str]) -> Job:
    settings = [f"workspace={workspace.absolute()}", f"optimization.steps={trial.steps}", *ALWAYS]
    if trial.drawn:
        settings.append(f"dataset.source={_drawn(workspace)}")
    config = CHECKOUT / "configs" / f"{trial.mode}_lora.yaml"
    return Job(str(config), (*settings, *trial.overrides, *overrides), str(CHECKOUT))


def _drawn(workspace: Path) -> Path:
    """The folder of the footage that is drawn for this; made once, whole or not at all."""
    folder = workspace.absolute() / "footage"
    if not folder.is_dir():
        unfinished = folder.with_name("footage.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        console.print("drawing footage", markup=False)
        command = [sys.executable, "-m", "data.make.pairs", str(unfinished)]
        subprocess.run(command, cwd=CHECKOUT, check=True)
        unfinished.rename(folder)
    return folder


def _cached(job: Job) -> bool:
    return all(plan.ready and not plan.missing for plan in job.open().plans())


def _checked(trial: Trial, job: Job) -> Checked:
    _, manifests = execute(job)
    folder = Path(manifests["evaluate"]["run"])
    found = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    return Checked(
        trial.mode,
        trial.claim,
        trial.setup,
        str(folder),
        outcomes(trial.checks, [Effect(**row) for row in found["influence"]]),
        dict(_pictures(folder)),
    )


def _pictures(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Those of the first clip on which a condition was measured."""
    paths = sorted((folder / "pictures").glob("condition-*.png"), key=lambda path: path.stat().st_mtime_ns)
    first = paths[0].name.split("-")[1] if paths else ""
    for path in [path for path in paths if path.name.split("-")[1] == first][:PICTURES]:
        yield path.stem.split("-", 2)[2].replace("-", " ").strip().capitalize(), path.read_bytes()


def _lines(result: Checked) -> Iterator[str]:
    for outcome in result.outcomes:
        values = outcome.as_dict()
        numbers = ", ".join(
            f"{title} {value:.3g}"
            for name, title in NAMES.items()
            if isinstance(value := values.get(name), float)
        )
        limits = ", ".join(limit.text() for limit in outcome.check.limits)
        yield f"{'passed' if outcome.passed else 'FAILED'}  {outcome.check.measure}: {numbers} ({limits})"


def _report(workspace: Path, checked: Sequence[Checked]) -> Found:
    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    passed = all(one.passed for one in checked)
    content = {"created": created, "passed": passed, "modes": [one.as_dict() for one in checked]}
    page = render_checks("What each mode has learned", created, checked)
    write_atomic(workspace / "report.json", json.dumps(content, indent=2).encode())
    write_atomic(workspace / "report.html", page.encode())
    return Found(workspace / "report.html", passed)
