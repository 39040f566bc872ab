"""Tables on one run: what it is, how it went, what it took, what interrupted it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ltx_core.evaluation.run_record import PARTS, Run, is_number
from ltx_core.training.heldout_log import by_step, read_heldout

Table = dict[str, Any]
GIB = 2**30
QUIET = frozenset({"checkpoint", "measured", "skipped"})
"""Events that have a table of their own, or come too often."""
BEGUN, ENDED = ("started", "resumed"), ("interrupted", "finished", "failed", "out_of_memory")
MOST_ROWS = 40
"""Rows of a table on a terminal."""


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table as the terminal and the page show it."""
    return {"title": title, "columns": list(columns), "rows": [[words(cell) for cell in row] for row in rows]}


def words(value: Any) -> str:
    """A cell: numbers with four digits."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def run_tables(run: Run) -> list[Table]:
    """All tables on a run; those that would be empty are left out."""
    heldout = table("held-out loss", *_heldout(run))
    levels = table("held-out loss by condition and noise level, last evaluation", *_levels(run))
    found = [
        table(f"run {run.name}", ("what", "value"), list(facts(run))),
        heldout,
        levels,
        table("what happened", ("when", "step", "event", ""), list(happened(run))),
        table("skipped steps", ("step", "why", "clips"), list(skipped(run))),
    ]
    return [one for one in found if one["rows"]]


def facts(run: Run) -> Iterator[tuple[str, Any]]:
    """What a run is and how it went, (what, value)."""
    config = run.config
    yield "folder", run.folder
    yield "config", config.get("name", "-")
    model = section(config, "model")
    yield "base", model.get("model_source") or model.get("model_path") or "-"
    yield "trained", trained(config)
    yield "steps", f"{run.steps} of {section(config, 'optimization').get('steps', '?')}"
    for name in ("loss_video", "loss_audio"):
        if curve := run.curve(name):
            last = [value for _, value in curve[-20:]]
            yield f"{name.replace('loss_', 'last ')} loss", sum(last) / len(last)
    for name, points in run.measured.items():
        yield (
            name.replace("heldout_", "last held-out ") + " loss",
            f"{points[-1][1]:.4g} at step {points[-1][0]}",
        )
    if best := run.best:
        yield best_name(run), f"{best[1]:.4g} at step {best[0]}"
    if verdict := run.summary.get("verdict"):
        yield "verdict", verdict
    yield from speed(run)


def best_name(run: Run) -> str:
    """What the best step was judged by."""
    metric = section(run.config, "validation").get("best_metric") or "weighted"
    if metric != "weighted":
        return f"best held-out {metric} loss"
    return "best held-out loss" + (" (weighted sum)" if len(run.measured) > 1 else "")


def trained(config: Mapping[str, Any]) -> str:
    """What learnt."""
    mode = section(config, "model").get("training_mode", "lora")
    rank = section(config, "lora").get("rank", "?")
    return f"LoRA of rank {rank}" if mode == "lora" else "every weight"


def section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section of a config; {} for what is none, as in another program's."""
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}


def speed(run: Run) -> Iterator[tuple[str, Any]]:
    """Speed, memory and where the time went."""
    total = run.total("seconds")
    if not total:
        return
    yield "seconds a step (median)", run.seconds_per_step
    yield "samples/s", run.total("samples") / total
    yield "tokens/s", run.total("tokens") / total
    mfu = [value for _, value in run.curve("mfu")]
    if mfu:
        yield "MFU (mean)", f"{sum(mfu) / len(mfu):.1%}"
    peaks = [row["peak_bytes"] for row in run.rows if is_number(row.get("peak_bytes"))]
    if peaks:
        yield "peak memory", f"{max(peaks) / GIB:.2f} GiB"
    yield "time in steps", duration(total)
    shares = [(name, run.total(name) / total) for name in PARTS if run.curve(name)]
    if shares:
        yield (
            "of it",
            ", ".join(
                f"{name.replace('_seconds', '').replace('_', ' ')} {part:.1%}" for name, part in shares
            ),
        )


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def happened(run: Run) -> Iterator[tuple[str, Any, str, str]]:
    """Starts, stops, warnings: (when, step, event, more); an end without a word is seen at the next start."""
    shown = [event for event in run.events if event.get("event") not in QUIET]
    running = False
    for event in shown:
        name, stamp = str(event.get("event")), event.get("time")
        if name in BEGUN and running:
            yield "", "", "killed", "it ended without a word: kill -9, a crash, no power"
        running = name in BEGUN or (running and name not in ENDED)
        left = {key: value for key, value in event.items() if key not in ("time", "event", "step")}
        plain = {key: value for key, value in left.items() if not isinstance(value, dict | list)}
        more = event_facts({key: value for key, value in plain.items() if value is not None})
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(stamp)) if is_number(stamp) else ""
        yield when, event.get("step", ""), name, more


def event_facts(plain: Mapping[str, Any]) -> str:
    """Facts of an event for people: `value 1.23, 18.4 s, peak 0.67 GiB, tokens per second 1406`."""
    told = []
    for name, value in plain.items():
        if name == "seconds" and is_number(value):
            told.append(duration(value))
        elif name.endswith("_bytes") and is_number(value):
            told.append(f"{name.removesuffix('_bytes')} {value / GIB:.2f} GiB")
        else:
            told.append(f"{name.replace('_', ' ')} {words(value)}")
    return ", ".join(told)


def skipped(run: Run) -> Iterator[tuple[Any, str, str]]:
    """Steps that changed nothing, with their clips; those that come often are first."""
    events = run.all_of("skipped")
    counts = Counter(clip for event in events for clip in event.get("clips") or ())
    for event in events[:MOST_ROWS]:
        clips = sorted(event.get("clips") or (), key=lambda clip: -counts[clip])
        yield event.get("step"), str(event.get("reason", "")), ", ".join(clips)


def _heldout(run: Run) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    names = sorted(run.measured)
    steps = sorted({step for points in run.measured.values() for step, _ in points})
    values = {name: dict(points) for name, points in run.measured.items()}
    if len(steps) > MOST_ROWS:
        steps = [*steps[:: -(-len(steps) // MOST_ROWS)], steps[-1]]
    return ("step", *(name.removeprefix("heldout_") for name in names)), [
        (step, *(values[name].get(step) for name in names)) for step in dict.fromkeys(steps)
    ]


def _levels(run: Run) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """A row for each level: a column for each would be too wide for a terminal."""
    evaluations = by_step(read_heldout(run.folder))
    if not evaluations:
        return ("modality",), []
    found: dict[tuple[str, str, float], dict[str, float]] = {}
    for row in evaluations[max(evaluations)]:
        found.setdefault((row.modality, row.condition, row.level), {})[row.split] = row.loss
    return ("modality", "condition", "level", "held-out clips", "training clips"), [
        (*key, losses.get("heldout"), losses.get("train")) for key, losses in sorted(found.items())
    ]
