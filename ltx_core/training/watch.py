"""What ends a training that goes wrong: losses that are not finite, memory that does not suffice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ltx_core.errors import LtxError
from ltx_core.training.update import OVERFLOW

logger = logging.getLogger(__name__)

MAX_BAD_STEPS = 5
"""Steps in a row without a finite loss and gradient after which the run ends."""

MAX_OVERFLOWS = 40
"""The same for overflows of fp16: each halves the scale of the loss, which begins at 2 ** 16."""


class TrainingError(LtxError):
    """The training cannot go on: it diverged, or a batch does not fit into memory."""


class Watch:
    """Counts steps in a row that changed nothing."""

    def __init__(self, event: Callable[..., None], most: int = MAX_BAD_STEPS) -> None:
        """Record by `event`; `most` such steps in a row end the run."""
        self.bad_steps, self.overflows, self.most = 0, 0, most
        self._event = event

    def after(self, step: int, skipped: str, clips: Sequence[str]) -> None:
        """Record a step that changed nothing; end the run when they do not stop.

        Args:
            step: finished steps.
            skipped: why it changed nothing, or "".
            clips: its samples.

        Raises:
            TrainingError: after `most` in a row.
        """
        self.overflows = self.overflows + 1 if skipped == OVERFLOW else 0
        if not skipped or (skipped == OVERFLOW and self.overflows < MAX_OVERFLOWS):
            self.bad_steps = 0
            return
        self.bad_steps += 1
        clips = list(dict.fromkeys(clips))
        self._event("skipped", step=step, reason=skipped, clips=clips)
        logger.warning("step %d was skipped: %s; clips %s", step, skipped, ", ".join(clips))
        if self.bad_steps >= self.most or self.overflows >= MAX_OVERFLOWS:
            raise TrainingError(
                f"{max(self.bad_steps, self.overflows)} steps in a row without a finite loss and gradient, "
                f"the last of them step {step} ({skipped}; clips {', '.join(clips)}). Lower "
                "`optimization.learning_rate` or look at these clips; checkpoints of before are kept"
            )

    def numbers(self) -> dict[str, Any]:
        """Counters of a checkpoint, as JSON."""
        return {"bad_steps": self.bad_steps, "overflows": self.overflows}

    def restore(self, numbers: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's counters."""
        self.bad_steps = int(numbers["bad_steps"])
        self.overflows = int(numbers.get("overflows", 0))
