"""What a terminal shows of a run: a bar with an estimate while a stage works, one line when it is done.

A training has a view of its own below its bar (`_live.py`); where there is no terminal, a line now and then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from flows._live import TrainingView
from tasks._display import LOG_EVERY_S, describe, position

if TYPE_CHECKING:
    from ltx_core.stages.base import StagePlan

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class Bars(Progress):
    """Bars, and the view of a training below them while there is one."""

    view: TrainingView | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn."""
        yield from super().get_renderables()
        if self.view is not None:
            yield self.view


class ScreenDisplay:
    """A `Display` for the terminal; a context, since the bars must leave it as they found it."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description:<17}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
        )
        self.bars = Bars(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._ids: dict[str, TaskID] = {}
        self._plans: dict[str, StagePlan] = {}
        self._totals: dict[str, dict[str, float]] = {}
        self._said = -LOG_EVERY_S

    def __enter__(self) -> ScreenDisplay:
        self.bars.start()
        self._ids["starting"] = self.bars.add_task("starting", total=None, text="")
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def planned(self, plan: StagePlan) -> None:
        """A bar for a stage with something to do."""
        if (starting := self._ids.pop("starting", None)) is not None:
            self.bars.remove_task(starting)
        self._plans[plan.stage] = plan
        self._totals[plan.stage] = {"chunks": 0, "rows": 0, "rejected": 0, "seconds": 0.0}
        if plan.missing:
            self._ids[plan.stage] = self.bars.add_task(plan.stage, total=plan.missing, text="")

    def progress(self, stage: str, progress: Mapping[str, Any]) -> None:
        """Move the bar; a stage of one row counts its own steps."""
        if stage not in self._ids:
            return
        done, total, text = position(progress)
        if "steps" in progress:
            self._training(stage, progress)
            text = ""
        if self._plans[stage].missing == 1:
            self.bars.update(self._ids[stage], total=total, completed=done, text=text)
        else:
            self.bars.update(self._ids[stage], completed=self._totals[stage]["rows"] + done, text=text)

    def _training(self, stage: str, progress: Mapping[str, Any]) -> None:
        """Draw the view, or say a line where there is no terminal."""
        if console.is_terminal:
            self.bars.view = TrainingView(progress)
            return
        now = time.monotonic()
        if now - self._said >= LOG_EVERY_S:
            self._said = now
            self.line(stage, describe(progress))

    def finished(self, stage: str, manifest: Mapping[str, Any]) -> None:
        """Count a chunk; say the stage's line with the last one."""
        plan, total = self._plans[stage], self._totals[stage]
        rejected = len(manifest.get("rejected") or ())
        if not plan.missing:
            self.line(stage, f"cached      {plan.total} rows" + _rejected(rejected))
            return
        new = {"chunks": 1, "rows": manifest["rows"], "rejected": rejected, "seconds": manifest["seconds"]}
        for name, value in new.items():
            total[name] += value
        self.bars.update(self._ids[stage], completed=total["rows"])
        if total["chunks"] == len(plan.chunks):
            self.bars.remove_task(self._ids.pop(stage))
            self.bars.view = None
            counts = f"{plan.missing} of {plan.total} rows" if plan.cached else f"{plan.total} rows"
            self.line(stage, f"{total['seconds']:7.1f} s   {counts}" + _rejected(int(total["rejected"])))

    def note(self, level: int, text: str) -> None:
        """Warnings and errors of the computing process."""
        if level >= logging.WARNING:
            self.bars.console.print(Text(f"  {text}", style="yellow"))

    def line(self, stage: str, text: str) -> None:
        """One line about a stage."""
        self.bars.console.print(Text(f"{stage:<17} {text}"))


@contextmanager
def steps_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with an estimate; what it yields is told the steps that are done and all of them."""
    columns = (TextColumn(name), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def show_plans(plans: Iterable[StagePlan]) -> None:
    """The stages of a run, what of them is there and what is missing."""
    rows = [
        (
            plan.stage,
            str(plan.total) if plan.ready else "?",
            str(plan.cached) if plan.ready else "?",
            str(plan.missing) if plan.ready else "?",
            str(len(plan.chunks)) if plan.ready else "",
            str(len(plan.rejected)) if plan.ready else "",
            "" if plan.ready and not plan.missing else duration(plan.seconds),
        )
        for plan in plans
    ]
    show_table("", ("stage", "rows", "cached", "missing", "chunks", "rejected", "time"), rows)
    if any("?" in row for row in rows):
        console.print("?: known when the stages before are done")


def duration(seconds: float | None) -> str:
    """Seconds for people: `40 s`, `12 min`, `3.5 h`."""
    if seconds is None:
        return "unknown"
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 1 else "< 1 s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; cells are shown as they are."""
    table = Table(*columns, title=title or None, title_justify="left")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)


def _rejected(count: int) -> str:
    return f"   {count} rejected" if count else ""
