"""A longer run of the same kind: it takes over the steps of the shorter one, bit for bit.

Where everything but `optimization.steps` is equal, and the learning rates of all steps done are, too, as with
a constant schedule, an unbroken long run would have come by the very checkpoint of the short one.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from ltx_core.config.changes import with_field
from ltx_core.config.root import Config
from ltx_core.config.runs import BEGUN, EarlierRun
from ltx_core.errors import LtxError
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.context import Context
from ltx_core.stages.warm import beginning_of
from ltx_core.store.disk import explain
from ltx_core.store.keys import digest_file
from ltx_core.training.checkpoint_folder import CHECKPOINTS, checkpoint_name
from ltx_core.training.schedule import learning_rate

logger = logging.getLogger(__name__)

RECORDS = ("metrics.parquet", "heldout.parquet", BEGUN)
"""Files of a run that tell of the steps taken over."""


class _Training(Protocol):
    """The stage `train`."""

    def key_of(self, context: Context, config: Config, begun: str | None) -> str:
        """The key of another config's run on this dataset and base."""


def shorter_run(context: Context, runs: Sequence[EarlierRun]) -> EarlierRun | None:
    """Of `runs` the one with most steps that the config's run takes over; None: it begins at step 0."""
    config = context.config
    if config.checkpoints.no_resume or config.checkpoints.publish == "best":
        return None
    if config.validation.early_stopping is not None:  # judged at the shorter run's end, too
        return None
    try:
        begun = beginning_of(context)
        digest = None if begun is None else digest_file(begun)
        found = [run for run in runs if _is_shorter(context, run, digest)]
    except (NotReadyError, LtxError, OSError):
        return None
    return max(found, key=lambda run: run.step, default=None)


def take_over(run: EarlierRun, folder: Path, key: str) -> None:
    """Begin `folder` with the newest checkpoint and the records of a shorter run; nothing where it has any.

    Raises:
        StoreError: when the disk is full, read-only or not permitted.
    """
    from ltx_core.training.adopting import adopt

    root = folder / CHECKPOINTS
    if run.checkpoint is None or any(root.glob("step_*")):
        return
    try:
        for name in RECORDS:
            if (run.folder / name).is_file():
                shutil.copyfile(run.folder / name, folder / name)
        if (run.folder / "samples").is_dir():
            shutil.copytree(
                run.folder / "samples", folder / "samples", copy_function=_linked, dirs_exist_ok=True
            )
    except OSError as error:
        raise explain(error, folder) from error
    adopt(run.checkpoint, root / checkpoint_name(run.step), key)
    logger.info("%d steps are taken over from %s", run.step, run.folder)


def _is_shorter(context: Context, run: EarlierRun, begun: str | None) -> bool:
    config, before = context.config, run.config()
    if before is None or not 0 < run.step < config.optimization.steps:
        return False
    if before.checkpoints.save_training_state != "full":
        return False
    same = with_field(config, "optimization.steps", before.optimization.steps)
    if same is None or before.optimization.steps == config.optimization.steps:
        return False
    stage = cast(_Training, context.registry["train"])
    if stage.key_of(context, same, begun) != run.lineage["run"]:
        return False
    return _rates(same, run.step) == _rates(config, run.step)


def _rates(config: Config, steps: int) -> list[float]:
    """Learning rates of the first steps, of everything that has one."""
    options = config.optimization
    return [learning_rate(options, step, of) for of in (None, "video", "audio") for step in range(steps)]


def _linked(source: Any, target: Any) -> None:
    """A second name for a file, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
