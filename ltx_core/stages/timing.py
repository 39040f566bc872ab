"""How long stages take: of the current run (begun anew by each), and a kept rate per stage for plans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ltx_core.store.disk import explain, locked, write_atomic

NAME = "timings.jsonl"
"""One JSON line per computed chunk of the current run."""
RATES = "rates.json"
"""Rows and seconds of each stage over the last runs."""
REMEMBERED_ROWS = 512
"""Rows that a rate is measured over; older ones fade out."""


def begin_timings(workspace: Path) -> None:
    """Forget the previous run's times; the rates stay."""
    write_atomic(workspace / NAME, b"")


def add_timing(workspace: Path, stage: str, rows: int, seconds: float) -> None:
    """Note a computed chunk.

    Raises:
        StoreError: when the workspace cannot be written.
    """
    path = workspace / NAME
    try:
        with path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({"stage": stage, "rows": rows, "seconds": round(seconds, 3)}) + "\n")
    except OSError as error:
        raise explain(error, path) from error
    if rows > 0:
        _keep_rate(workspace, stage, rows, seconds)


def read_timings(workspace: Path) -> dict[str, tuple[int, float]]:
    """(rows, seconds) that each stage has computed in this run."""
    path = workspace / NAME
    totals: dict[str, tuple[int, float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        entry = json.loads(line)
        rows, seconds = totals.get(entry["stage"], (0, 0.0))
        totals[entry["stage"]] = (rows + entry["rows"], seconds + entry["seconds"])
    return totals


def seconds_per_row(workspace: Path) -> dict[str, float]:
    """Of every stage that was computed in this workspace before; models that were loaded for it included."""
    return {stage: rate["seconds"] / rate["rows"] for stage, rate in _rates(workspace).items()}


def _keep_rate(workspace: Path, stage: str, rows: int, seconds: float) -> None:
    with locked(workspace / ".rates.lock"):
        rates = dict(_rates(workspace))
        old = rates.get(stage, {"rows": 0.0, "seconds": 0.0})
        kept = max(0, REMEMBERED_ROWS - rows)
        share = min(1.0, kept / old["rows"]) if old["rows"] else 0.0
        rates[stage] = {"rows": old["rows"] * share + rows, "seconds": old["seconds"] * share + seconds}
        write_atomic(workspace / RATES, json.dumps(rates, indent=2, sort_keys=True).encode())


def _rates(workspace: Path) -> Mapping[str, dict[str, float]]:
    """What is remembered; nothing where the file is missing or no such record."""
    try:
        found = json.loads((workspace / RATES).read_bytes())
        rates = {
            stage: {"rows": float(r["rows"]), "seconds": float(r["seconds"])} for stage, r in found.items()
        }
        return {stage: rate for stage, rate in rates.items() if rate["rows"] > 0}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
