"""Runs beside each other: what differs in their configs, and in what they came to.

Design choices
- Losses are compared at equal steps alone, and over equal stretches: means of the last steps that all have.
- Held-out losses of two runs can be compared when they were measured on the same clips with the same draws.
  That is checked (dataset, seeds, levels), and said where it is not so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ltx_core.evaluation.run_record import Run, is_number
from ltx_core.evaluation.run_tables import GIB, Table, best_name, duration, table, trained
from ltx_core.store.redact import redactor

WINDOW = 20
"""Steps over which a training loss is averaged before it is compared."""
MARKS = 5
"""Equal steps at which losses are compared."""
NOT_OF_THE_RUN = ("name", "workspace", "output_dir")
"""Fields that differ without meaning anything."""
MISSING = "(not stated)"
EQUAL_FOR_HELDOUT = (
    "validation.seed",
    "validation.heldout_levels",
    "validation.heldout_levels_per_clip",
    "validation.heldout_clips",
)
"""Fields by which the draws and the clips of the held-out loss are the same."""


def compare_tables(runs: Sequence[Run]) -> list[Table]:
    """Tables with a column for each run; those that would be empty are left out."""
    names = labels(runs)
    found = [
        table("runs", ("what", *names), list(_facts(runs))),
        table("config: what differs", ("field", *names), differences(runs)),
        table("training loss at equal steps", ("loss", "up to step", *names), list(losses(runs))),
        table("held-out loss at equal steps", ("loss", "step", *names), list(heldout(runs))),
        table("can it be compared?", ("what", "found"), fairness(runs)),
    ]
    return [one for one in found if one["rows"]]


def labels(runs: Sequence[Run]) -> list[str]:
    """A name for each run, none twice."""
    names = [run.name for run in runs]
    return [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, 1)]


def differences(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """(field, value in each run) of all fields that are not equal in all; secrets are not shown."""
    hide = redactor()
    stated = [flattened(run.config) for run in runs]
    shown = [flattened(hide.data(run.config)) for run in runs]
    found = []
    for name in dict.fromkeys(name for config in stated for name in config):
        if name not in NOT_OF_THE_RUN and _differs([config.get(name, MISSING) for config in stated]):
            found.append((name, *(str(config.get(name, MISSING)) for config in shown)))
    return found


def flattened(config: Any, name: str = "") -> dict[str, Any]:
    """Dotted names -> values; parts of a list by their number."""
    if isinstance(config, Mapping) and config:
        items = [(str(key), value) for key, value in config.items()]
    elif isinstance(config, list) and config and any(isinstance(part, dict | list) for part in config):
        items = [(str(place), value) for place, value in enumerate(config)]
    else:
        return {name: config}
    found: dict[str, Any] = {}
    for key, value in items:
        found |= flattened(value, f"{name}.{key}" if name else key)
    return found


def losses(runs: Sequence[Run]) -> Iterator[tuple[Any, ...]]:
    """Means of the training loss of the last `WINDOW` steps before equal steps."""
    last = min((run.steps for run in runs), default=0)
    marks = sorted({max(1, round(last * part / MARKS)) for part in range(1, MARKS + 1)}) if last else []
    for name in ("loss", "loss_video", "loss_audio"):
        curves = [run.curve(name) for run in runs]
        for mark in marks if any(curves) else ():
            values = [_mean_before(curve, mark) for curve in curves]
            yield name.removeprefix("loss_"), mark, *values


def _mean_before(curve: Sequence[tuple[float, float]], step: int) -> float | None:
    found = [value for place, value in curve if step - WINDOW < place <= step]
    return math.fsum(found) / len(found) if found else None


def heldout(runs: Sequence[Run]) -> Iterator[tuple[Any, ...]]:
    """Held-out losses at the steps at which all have them, the best of each at the end."""
    names = dict.fromkeys(name for run in runs for name in run.measured if name.startswith("heldout_"))
    for name in names:
        values = [dict(run.measured.get(name, ())) for run in runs]
        common = sorted(set.intersection(*(set(one) for one in values)))
        for step in common if len(common) <= 2 * MARKS else common[:: -(-len(common) // (2 * MARKS))]:
            yield name.removeprefix("heldout_"), step, *(one[step] for one in values)
    if any(run.best for run in runs):
        yield "best", "", *(f"{run.best[1]:.4g} at step {run.best[0]}" if run.best else "-" for run in runs)


def fairness(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Whether the numbers were measured on the same clips with the same noise: (what, found)."""
    flat = [flattened(run.config) for run in runs]
    seeds = "equal: the same order of clips and the same noise"
    if _differs([config.get("seed", MISSING) for config in flat]):
        seeds = "differs: training losses differ by their draws, too"
    found = [] if differences(runs) else [("config", "equal in every field")]
    found.append(("seed of the training", seeds))
    datasets = [run.lineage.get("dataset") for run in runs]
    same = all(datasets) and not _differs(datasets)
    found.append(("dataset", "equal" if same else "differs, or is not known: losses may be of other clips"))
    before = len(found)
    for field in EQUAL_FOR_HELDOUT:
        values = [config.get(field, MISSING) for config in flat]
        if _differs(values):
            words = ", ".join(map(str, values))
            found.append((field, f"differs ({words}): held-out losses are of other draws"))
    if same and len(found) == before:
        found.append(("held-out loss", "equal clips, levels and noise: the numbers can be compared"))
    return found


def _differs(values: Sequence[Any]) -> bool:
    return any(value != values[0] for value in values)


def _facts(runs: Sequence[Run]) -> Iterator[tuple[Any, ...]]:
    def row(name: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        if any(value not in (None, "", "-") for value in values):
            yield name, *("-" if value is None else value for value in values)

    yield from row("steps", [run.steps for run in runs])
    yield from row("trained", [trained(run.config) for run in runs])
    best = [f"{run.best[1]:.4g} at step {run.best[0]}" if run.best else None for run in runs]
    yield from row(best_name(runs[0]), best)
    yield from row("verdict", [run.summary.get("verdict") for run in runs])
    yield from row("seconds a step (median)", [run.seconds_per_step for run in runs])
    totals = [run.total("seconds") for run in runs]
    for name in ("samples", "tokens"):
        rates = [run.total(name) / total if total else None for run, total in zip(runs, totals, strict=True)]
        yield from row(f"{name}/s", rates)
    yield from row("MFU (mean)", [_mean([value for _, value in run.curve("mfu")]) for run in runs])
    yield from row("peak memory", [_peak(run) for run in runs])
    yield from row("time in steps", [duration(total) if total else None for total in totals])
    yield from row("skipped steps", [len(run.all_of("skipped")) for run in runs])
    yield from row("starts", [len(run.all_of("started", "resumed")) for run in runs])
    yield from row("code version", [run.lineage.get("code_version") for run in runs])
    yield from row("dataset", [str(run.lineage.get("dataset") or "-")[:12] for run in runs])


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _peak(run: Run) -> str | None:
    peaks = [row["peak_bytes"] for row in run.rows if is_number(row.get("peak_bytes"))]
    return f"{max(peaks) / GIB:.2f} GiB" if peaks else None
