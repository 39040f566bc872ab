"""When a training saves, and what: checkpoints beside its steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from ltx_core.training.checkpoint import TrainingState, retain, save_checkpoint
from ltx_core.training.learner import Learner
from ltx_core.training.plan import Parts, Plan
from ltx_core.training.resume import resume_point

CHECKPOINTS = "checkpoints"
"""The folder of checkpoints in a run's folder."""


class Saver:
    """Saves what a run needs to go on from, and the product of its step."""

    def __init__(
        self,
        plan: Plan,
        parts: Parts,
        learner: Learner,
        accelerator: Accelerator,
        numbers: Callable[[], dict[str, Any]],
    ) -> None:
        """Take what is saved; `numbers` gives the counters of the run, as JSON."""
        self.plan, self.parts, self.learner, self.accelerator = plan, parts, learner, accelerator
        self.root: Path = plan.folder / CHECKPOINTS
        self.saved = 0
        """The step of the newest checkpoint."""
        self._numbers = numbers

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

    def due(self, step: int) -> bool:
        """Whether a checkpoint is wanted after `step` finished steps."""
        interval = self.plan.checkpoints.interval
        return step == self.plan.optimization.steps or bool(interval and step % interval == 0)

    def save(self, step: int) -> bool:
        """Save the run after `step` finished steps; False where that is saved already.

        Raises:
            StoreError: when the disk is full, read-only or not permitted; earlier checkpoints stay.
        """
        new = step > self.saved
        if new and self.accelerator.is_main_process:
            save_checkpoint(self.root, step, self.learner.exporting(self.parts.export), self._state(step))
            retain(self.root, self.plan.checkpoints.keep_last_n)
        self.saved = step
        self.accelerator.wait_for_everyone()
        return new

    def _state(self, step: int) -> TrainingState | None:
        kept = self.plan.checkpoints.save_training_state
        if kept == "off":
            return None
        learner, moments, numbers = self.learner, {}, self._numbers()
        if kept == "full":
            moments, numbers = learner.moments(), {**numbers, **learner.values()}
        averages = learner.averages()
        return TrainingState(step, self.plan.identity, learner.weights(), moments, numbers, averages)
