"""A run as its folder tells it: config, rows of metrics, events, what was measured, samples. No torch.

What a run has not (yet) is empty: it may be in its first steps, stopped, or of an older version.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ltx_core.errors import LtxError
from ltx_core.evaluation.plots import Curve
from ltx_core.training.log import EVENTS, METRICS, MODALITIES, SAMPLES, Row, read_measured, read_metrics

CONFIG, LINEAGE, SUMMARY, REPORT = "config.yaml", "lineage.json", "evaluation.json", "report.html"
PARTS = ("data_wait", "forward_seconds", "backward_seconds", "optimizer_seconds")
FIRST_STEPS = 5
"""Steps of a run whose speed is that of a beginning."""


@dataclass(frozen=True)
class Run:
    """What a run's folder holds.

    Attributes:
        folder: of the run.
        config: as it was resolved; {} where there is none.
        lineage: dataset, base model, code version.
        rows: metrics, a row per step.
        measured: (step, value) by name of what was measured after steps.
        events: lines of log.jsonl in order.
        summary: numbers of the evaluation after the training.
    """

    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    measured: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def steps(self) -> int:
        """Finished steps."""
        return int(self.rows[-1]["step"]) if self.rows else 0

    def all_of(self, *names: str) -> list[Mapping[str, Any]]:
        """Events of these names."""
        return [event for event in self.events if event.get("event") in names]

    def curve(self, name: str) -> Curve:
        """(step, value) of a column, where it has a finite value."""
        return [(row["step"], row[name]) for row in self.rows if is_number(row.get(name))]

    def curves(self) -> dict[str, Curve]:
        """Training and held-out loss by modality, those that there are."""
        found: dict[str, Curve] = {modality: self.curve(f"loss_{modality}") for modality in MODALITIES}
        for name, points in self.measured.items():
            if name.startswith("heldout_"):
                found[f"{name.removeprefix('heldout_')} held out"] = tuple(points)
        return {name: curve for name, curve in found.items() if curve}

    def total(self, name: str) -> float:
        """Sum of a column over all steps; 0 without it."""
        return math.fsum(row[name] for row in self.rows if is_number(row.get(name)))

    @property
    def seconds_per_step(self) -> float | None:
        """Median of the steps but the first ones."""
        found = sorted(
            row["seconds"] for row in self.rows[FIRST_STEPS:] or self.rows if is_number(row.get("seconds"))
        )
        return found[len(found) // 2] if found else None

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and value of the best held-out loss: as the run judged it, else the modalities' mean."""
        judged = [event for event in self.all_of("best") if is_number(event.get("value"))]
        if judged:
            last = min(judged, key=lambda event: event["value"])
            return int(last["step"]), float(last["value"])
        means = [(value, step) for step, value in self.heldout_means().items() if step > 0]
        if not means:
            return None
        value, step = min(means)
        return step, value

    def heldout_means(self) -> dict[int, float]:
        """Mean held-out loss of the modalities by step."""
        found: dict[int, list[float]] = {}
        for name, points in self.measured.items():
            for step, value in points if name.startswith("heldout_") else ():
                found.setdefault(step, []).append(value)
        return {step: math.fsum(values) / len(values) for step, values in sorted(found.items())}

    def samples(self) -> dict[int, Path]:
        """Folders of samples by step."""
        found = {}
        for path in sorted((self.folder / SAMPLES).glob("step_*")):
            if path.name[5:].isdigit():
                found[int(path.name[5:])] = path
        return found


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run."""
    return folder.is_dir() and any((folder / name).is_file() for name in (EVENTS, METRICS))


def read_run(folder: Path) -> Run:
    """A run by its folder.

    Raises:
        LtxError: when the folder holds no run.
    """
    if not is_run(folder):
        raise LtxError(
            f"{folder} holds no run: neither {EVENTS} nor {METRICS} is there; give one of `workspace/runs`"
        )
    return Run(
        folder,
        config=_mapping(folder / CONFIG),
        lineage=_mapping(folder / LINEAGE),
        rows=read_metrics(folder),
        measured=read_measured(folder),
        events=list(_events(folder / EVENTS)),
        summary=_mapping(folder / SUMMARY),
    )


def find_run(text: str, runs: Path) -> Path | None:
    """The run's folder that is meant: by its path, that of something in it (a checkpoint), or its name.

    Args:
        text: what a person wrote.
        runs: folder of runs, for names; the beginning of a name will do where only one run has it.

    Raises:
        LtxError: when several runs are named so.
    """
    path = Path(text).expanduser()
    path = path.resolve() if ".." in path.parts else path.absolute()  # "." and ".." are no names of a run
    for folder in (path, *path.parents) if path.exists() else ():
        if is_run(folder):
            return folder
    found = sorted(folder for folder in runs.glob("*") if folder.name.startswith(text) and is_run(folder))
    exact = [folder for folder in found if folder.name == text]
    if exact or not found:
        return exact[0] if exact else None
    if len(found) > 1:
        names = ", ".join(folder.name for folder in found[:6])
        raise LtxError(f"several runs begin with {text!r}: {names}; give one of these names")
    return found[0]


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _mapping(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _events(path: Path) -> Iterator[Mapping[str, Any]]:
    """Lines that are whole; a kill may have left half a one."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
