"""When a training saves, and what: checkpoints beside its steps.

Design choices
- A save that fails in mid-run ends nothing: it is told, recorded, and tried again when the next one is due.
  Only what cannot be tried again ends the run: the last step's, and that of a run that was asked to stop.
- Whether the clock asks for a save is decided by the main process alone, and all follow.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from ltx_core.errors import StoreError
from ltx_core.training.checkpoint import TrainingState, save_checkpoint
from ltx_core.training.checkpoint_folder import CHECKPOINTS, retain
from ltx_core.training.interrupts import Unsaved
from ltx_core.training.learner import Learner
from ltx_core.training.plan import Parts, Plan
from ltx_core.training.resume import resume_point
from ltx_core.training.update import any_process

logger = logging.getLogger(__name__)


class Saver:
    """Saves what a run needs to go on from, and the product of its step."""

    def __init__(
        self,
        plan: Plan,
        parts: Parts,
        learner: Learner,
        accelerator: Accelerator,
        numbers: Callable[[], dict[str, Any]],
        event: Callable[..., None],
    ) -> None:
        """Take what is saved; `numbers` gives the counters of the run, as JSON; `event` records."""
        self.plan, self.parts, self.learner, self.accelerator = plan, parts, learner, accelerator
        self.root: Path = plan.folder / CHECKPOINTS
        self.saved = 0
        """The step of the newest checkpoint."""
        self.flush: Callable[[], None] = lambda: None
        """Writes the run's records, which must reach as far as a checkpoint."""
        self.also: Callable[[], Collection[int]] = lambda: ()
        """Steps whose checkpoints are kept beside the newest ones, as the best."""
        self._numbers, self._event = numbers, event
        self._last = time.monotonic()

    def resume(self) -> TrainingState | None:
        """The state that this run goes on from, put into the learner; None: it begins at step 0.

        Raises:
            LtxError: when the newest checkpoint is of another identity.
        """
        state = resume_point(
            self.root,
            self.plan.identity,
            allowed=not self.plan.checkpoints.no_resume,
            main=self.accelerator.is_main_process,
        )
        if state is not None:
            self.learner.restore(state)
            self.saved = state.step
        return state

    def after(self, step: int) -> None:
        """Save where a checkpoint is wanted after `step` finished steps.

        Raises:
            StoreError: when the last step cannot be saved; earlier checkpoints stay.
        """
        if step == self.plan.optimization.steps:
            self._save_last(step)
        elif self._due(step):
            self.attempt(step)

    def attempt(self, step: int) -> str:
        """Save if that is possible; why it was not, or "". Earlier checkpoints stay in any case."""
        try:
            self.save(step)
        except StoreError as error:
            newest = f"step {self.saved}" if self.saved else "none"
            logger.warning("step %d could not be saved: %s (newest checkpoint: %s)", step, error, newest)
            self._event("save_failed", step=step, reason=str(error), newest=self.saved)
            return str(error)
        return ""

    def stop(self, step: int) -> None:
        """Save a run that was asked to end.

        Raises:
            Unsaved: when that fails, a SystemExit with code 74.
        """
        if reason := self.attempt(step):
            raise Unsaved(step, self.saved, reason)
        begins = self.plan.checkpoints.save_training_state == "off"
        then = "the same command begins anew" if begins else "the same command goes on from there"
        logger.warning("stopped and saved at step %d; %s", step, then)

    def rescue(self, step: int) -> str:
        """Save a run that cannot go on as it is configured; what became of its state, in words."""
        if step == 0:
            return "Nothing was learnt yet: the run begins at step 0."
        if reason := self.attempt(step):
            return f"Its state could not be saved ({reason}); the newest checkpoint is of step {self.saved}."
        return f"The state of step {step} is saved."

    def save(self, step: int) -> bool:
        """Save the run after `step` finished steps; False where that is saved already.

        Raises:
            StoreError: in every process, when the disk is full, read-only or not permitted; earlier
                checkpoints stay.
        """
        self._last = time.monotonic()
        if step <= self.saved:
            return False
        with self.learner.lent():
            error = self._write(step, self._state(step)) if self.accelerator.is_main_process else None
        if any_process(self.accelerator, error is not None):
            raise error or StoreError("the main process could not save")
        self.saved = step
        self._event("checkpoint", step=step)
        return True

    def _save_last(self, step: int) -> None:
        try:
            self.save(step)
        except StoreError as error:
            since = f"the checkpoint of step {self.saved}" if self.saved else "step 0"
            raise StoreError(
                f"the last step, {step}, could not be saved: {error} It goes on from {since}."
            ) from error

    def _due(self, step: int) -> bool:
        options = self.plan.checkpoints
        if options.interval and step % options.interval == 0:
            return True
        if options.minutes is None:
            return False
        late = time.monotonic() - self._last >= options.minutes * 60
        return any_process(self.accelerator, late and self.accelerator.is_main_process)

    def _write(self, step: int, state: TrainingState | None) -> StoreError | None:
        try:
            self.flush()
            save_checkpoint(self.root, step, self.parts.export, state)
            retain(self.root, self.plan.checkpoints.keep_last_n, {step, *self.also()})
        except StoreError as error:
            return error
        return None

    def _state(self, step: int) -> TrainingState | None:
        kept = self.plan.checkpoints.save_training_state
        if kept == "off":
            return None
        learner, numbers = self.learner, self._numbers()
        moments = learner.moments() if kept == "full" else {}
        if kept == "full":
            numbers = {**numbers, **learner.values()}
        averages = learner.averages()
        return TrainingState(step, self.plan.identity, learner.weights(), moments, numbers, averages)
