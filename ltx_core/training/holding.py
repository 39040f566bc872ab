"""The checkpoint of the best step: saved when it is found, kept while it is the best."""

from __future__ import annotations

import logging

from ltx_core.errors import StoreError
from ltx_core.training.checkpoint import checkpoint_name
from ltx_core.training.heldout_log import cut_heldout
from ltx_core.training.judging import Judge, write_best
from ltx_core.training.saving import Saver

logger = logging.getLogger(__name__)


def begin_judging(judge: Judge, saver: Saver, step: int) -> None:
    """Have the records of evaluations go as far as a run that begins after `step` finished steps.

    Raises:
        StoreError: when they cannot be written.
    """
    if saver.accelerator.is_main_process:
        cut_heldout(saver.plan.folder, step)
        _write(judge, saver)


def record_best(judge: Judge, saver: Saver) -> None:
    """Say at the end of a run which step was the best, as what becomes the product depends on it.

    Raises:
        StoreError: when it cannot be written.
    """
    if saver.accelerator.is_main_process:
        _write(judge, saver)


def keep_best(judge: Judge, saver: Saver) -> None:
    """Save the step that was found to be the best, and say so in the run's folder.

    A best step that cannot be saved is none: the one before stays, with its checkpoint.
    """
    if judge.best is None:
        return
    if saver.plan.checkpoints.keep_best and saver.attempt(judge.best.step):
        judge.unsaved()
    if saver.accelerator.is_main_process:
        try:
            _write(judge, saver)
        except StoreError as error:
            logger.warning("the best step could not be recorded: %s", error)


def _write(judge: Judge, saver: Saver) -> None:
    path = None
    if judge.best is not None and saver.plan.checkpoints.keep_best:
        found = saver.root / checkpoint_name(judge.best.step)
        path = found if found.is_dir() else None
    write_best(saver.plan.folder, judge, path)
