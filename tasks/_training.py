"""A training on Prefect's pages while it goes on: its progress, loss and samples; a bounded number.

The progress artifact is one row that is changed. A page with pictures is a row of its own each time, so it
comes at most every `PAGE_EVERY_S` and only with something new. What fails here costs the training nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from ltx_core.store.disk import write_atomic
from tasks._artifact import pictures, table
from tasks._display import describe

logger = logging.getLogger(__name__)

PROGRESS_EVERY_S, PAGE_EVERY_S = 10.0, 300.0
MOST_PAGES = 24
"""Pages of one training; each has up to a megabyte of pictures."""
PLOT = "loss.png"
SHEET = "sheet.png"


class TrainingPages:
    """Takes a training's progress messages; those of a process that no task run is part of are not shown."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self._artifact: UUID | None = None
        self._told = self._paged = -PAGE_EVERY_S
        self._pages = 0
        self._shown: tuple[Any, ...] = ()
        self._off = TaskRunContext.get() is None

    def __call__(self, progress: Mapping[str, Any]) -> None:
        """Show a message, or not."""
        if self._off or "steps" not in progress:
            return
        try:
            self._progress(progress)
            self._page(progress)
        except Exception as error:  # noqa: BLE001  # a server that is gone must not end a training
            self._off = True
            logger.warning("the training is not shown on Prefect's pages any more: %s", error)

    def _progress(self, progress: Mapping[str, Any]) -> None:
        now, last = time.monotonic(), progress["step"] >= progress["steps"]
        if now - self._told < PROGRESS_EVERY_S and not last:
            return
        self._told, text = now, describe(progress)
        share = 100.0 * progress["step"] / max(1, progress["steps"])
        if self._artifact is None:
            made = create_progress_artifact(share, key="training", description=text)
            self._artifact = cast("UUID", made)  # outside of an event loop it is the id itself
        else:
            update_progress_artifact(self._artifact, share, description=text)

    def _page(self, progress: Mapping[str, Any]) -> None:
        now = time.monotonic()
        run = str(progress.get("run") or "")
        if not run or now - self._paged < PAGE_EVERY_S or self._pages >= MOST_PAGES:
            return
        sheet = newest_sheet(self.workspace / run)
        new = (sheet, int(20 * progress["step"] / max(1, progress["steps"])))
        self._paged = now
        if new != self._shown:
            self._shown = new
            self._pages += 1
            create_markdown_artifact(
                training_page(self.workspace / run, progress), key="training-pictures", description=run
            )


def newest_sheet(folder: Path) -> Path | None:
    """The sheet of the newest samples of a run."""
    return max(folder.glob(f"samples/step_*/{SHEET}"), default=None)


def last_page(workspace: Path, manifest: Mapping[str, Any]) -> str:
    """The page of a finished training, by its manifest; "" where there is none or it cannot be made."""
    run = manifest.get("run")
    try:
        return training_page(workspace / str(run)) if run else ""
    except Exception as error:  # noqa: BLE001  # a picture that cannot be drawn must not fail a training
        logger.warning("the training's page cannot be made: %s", error)
        return ""


def training_page(folder: Path, progress: Mapping[str, Any] | None = None) -> str:
    """A run's curves and newest samples as markdown, its last numbers above them."""
    parts = [f"## {folder.name}"]
    if progress is not None:
        parts.append(table(("what", "value"), _numbers(progress)))
    plot, sheet = _plot(folder), newest_sheet(folder)
    parts += pictures(str(path) for path in (plot, sheet) if path is not None)
    return "\n\n".join(parts)


def _numbers(progress: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("progress", describe(progress))]
    for name in ("losses", "rates", "heldout", "parts"):
        found += [(f"{name} {key}", value) for key, value in (progress.get(name) or {}).items()]
    plain = ("grad_norm", "samples_per_second", "best", "best_step", "skipped", "epoch", "bucket")
    found += [(name, progress[name]) for name in plain if progress.get(name) is not None]
    return found + [("warning", text) for text in progress.get("warnings") or ()]


def _plot(folder: Path) -> Path | None:
    """The curves of the loss as a picture in the run's folder; None before there is a row of metrics."""
    from ltx_core.evaluation.plots import loss_curves, png
    from ltx_core.evaluation.run_record import is_run, read_run

    curves = read_run(folder).curves() if is_run(folder) else {}
    if not curves:
        return None
    path = folder / PLOT
    write_atomic(path, png(loss_curves(curves, "Loss")))
    return path
