"""The evaluations of a finished training, judged again from its records: what the run decided, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ltx_core.config.root import Config
from ltx_core.evaluation.course import Course
from ltx_core.stages.judged import options_of
from ltx_core.training.heldout_log import by_step, means, read_heldout
from ltx_core.training.judging import Judge, first_overfit


def course_of(config: Config, folder: Path) -> Course:
    """The course of the run in `folder`; an empty one where nothing was measured."""
    rows = read_heldout(folder)
    judge = Judge(options_of(config), _nothing, tell=_nothing)
    for step, found in by_step(rows).items():
        judge.after(step, means(found))
    stopping = config.validation.early_stopping
    return Course(
        rows=tuple(rows),
        series=tuple(judge.series),
        metric=config.validation.best_metric,
        best=None if judge.best is None else judge.best.step,
        stopped=judge.stopped,
        overfit=first_overfit(judge.series),
        published=config.checkpoints.publish,
        patience=None if stopping is None else stopping.patience,
    )


def _nothing(*_: Any, **__: Any) -> None:
    """A run told of these when it saw them."""
