"""A training as a terminal shows it while it goes on: a few lines that are drawn again and again.

A view is a function of one progress message (`training/progress.py`) and the width; what a message does not
have is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

BARS = "▁▂▃▄▅▆▇█"
LABEL = 10
"""Letters of the names at the left."""
Message = Mapping[str, Any]
GIB = 2**30


class TrainingView:
    """The last message as something that rich draws."""

    def __init__(self, progress: Message) -> None:
        self.progress = progress

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=LABEL, no_wrap=True)
        grid.add_column(overflow="fold")
        for name, text in lines(self.progress, max(20, options.max_width - LABEL - 2)):
            style = "yellow" if name == "warning" else ""
            grid.add_row(Text(name, style="dim"), Text(text, style=style))
        yield grid


def lines(progress: Message, width: int) -> Iterator[tuple[str, str]]:
    """Names and texts of a view's lines; `width`: letters of a text."""
    yield "training", _joined(_where(progress))
    yield from _losses(progress, width)
    rates = progress.get("rates") or {}
    if rates:
        parts = [f"{name.removeprefix('lr_')} {value:.3g}" for name, value in rates.items()]
        norm = progress.get("grad_norm")
        yield "rate", _joined([*parts, f"gradient norm {norm:.3g}" if norm is not None else ""])
    if speed := _speed(progress):
        yield "speed", _joined(speed)
    if shares := _shares(progress):
        yield "time", _joined(shares)
    if memory := _memory(progress):
        yield "memory", _joined(memory)
    if heldout := _heldout(progress):
        yield "held out", _joined(heldout)
    if skipped := progress.get("skipped"):
        yield "skipped", f"{skipped} step{'s' if skipped > 1 else ''}"
    for warning in progress.get("warnings") or ():
        yield "warning", warning


def sparkline(values: Sequence[float], width: int) -> str:
    """Values as bars of eight heights, the newest at the right; too many of them as means of neighbours."""
    found = [value for value in values if math.isfinite(value)]
    if len(found) > width > 0:
        edges = [round(place * len(found) / width) for place in range(width + 1)]
        parts = [found[start:end] for start, end in itertools.pairwise(edges)]
        found = [sum(part) / len(part) for part in parts if part]
    if not found:
        return ""
    low, high = min(found), max(found)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0
    return "".join(BARS[round((value - low) * scale)] for value in found)


def clock(seconds: float) -> str:
    """Seconds as `4:05` or `1:02:07`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def count(value: float) -> str:
    """A number per second for people: `3.2`, `870`, `12.4k`, `1.55M`."""
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if value >= limit:
            return f"{value / (1e6 if unit == 'M' else 1e3):.3g}{unit}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _where(progress: Message) -> Iterable[str]:
    step, steps = int(progress.get("step", 0)), int(progress.get("steps", 0))
    yield f"step {step}/{steps}"
    yield f"{step / steps:.0%}" if steps else ""
    yield f"ETA {clock(progress['eta'])}" if progress.get("eta") is not None else ""
    yield f"epoch {int(progress.get('epoch', 0)) + 1}"
    yield f"bucket {progress['bucket']}" if progress.get("bucket") else ""
    yield str(progress.get("doing") or "")


def _losses(progress: Message, width: int) -> Iterator[tuple[str, str]]:
    loss = progress.get("loss")
    if loss is not None:
        text = f"{loss:.4f}"
        room = min(60, width - len(text) - 2)
        yield "loss", _joined([text, sparkline(progress.get("curve") or (), room)])
    levels = progress.get("levels") or {}
    for name, value in (progress.get("losses") or {}).items():
        quarters = levels.get(name) or ()
        parts = [f"{quarter:.4f}" if quarter is not None else "-" for quarter in quarters]
        by_noise = f"low to high noise {' '.join(parts)}" if parts else ""
        yield f"  {name}", _joined([f"{value:.4f}", by_noise])


def _speed(progress: Message) -> list[str]:
    rate = progress.get("per_second") or 0
    if not rate:
        return []
    found = [f"{rate:.2f} it/s" if rate >= 1 else f"{1 / rate:.2f} s/it"]
    for name in ("samples", "tokens"):
        value = progress.get(f"{name}_per_second")
        found.append(f"{count(value)} {name}/s" if value else "")
    mfu = progress.get("mfu")
    return [*found, f"MFU {mfu:.1%}" if mfu is not None else ""]


def _shares(progress: Message) -> list[str]:
    wait, parts = progress.get("data_wait"), dict(progress.get("parts") or {})
    found = [] if wait is None else [f"data wait {wait:.1%}"]
    found += [f"{name} {share:.0%}" for name, share in parts.items()]
    rest = 1 - sum(parts.values()) - (wait or 0)
    return [*found, f"rest {max(0.0, rest):.0%}"] if parts else found


def _memory(progress: Message) -> list[str]:
    peak, reserved, host = (progress.get(f"{name}_bytes") for name in ("peak", "reserved", "host"))
    found = []
    if reserved is not None and peak is not None:
        found.append(f"device peak {peak / GIB:.2f} GiB")
        found.append(f"reserved {reserved / GIB:.2f} GiB")
    if host is not None:
        found.append(f"host {host / GIB:.2f} GiB")
    return found


def _heldout(progress: Message) -> list[str]:
    values = progress.get("heldout") or {}
    found = [f"{name} {value:.4f}" for name, value in values.items() if value is not None]
    if found and progress.get("heldout_step") is not None:
        found.append(f"at step {progress['heldout_step']}")
    best = progress.get("best")
    if best is not None:
        found.append(f"best {best:.4f} at step {progress.get('best_step')}")
    return found


def _joined(parts: Iterable[str]) -> str:
    return "  ".join(part for part in parts if part)
