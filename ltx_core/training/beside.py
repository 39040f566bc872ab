"""Calling what is done beside the steps: what goes wrong there costs no step that was done.

A full disk ends no run for the sake of a sample: it is told, and the run goes on, since the next checkpoint
may find room again. With several processes it does end the run: the others would wait for one that gave up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from ltx_core.errors import StoreError
from ltx_core.store.disk import DISK_ERRORS
from ltx_core.training.plan import Hook
from ltx_core.training.saving import Saver
from ltx_core.training.shortage import SharedShortageError, asked_for, free, is_shortage
from ltx_core.training.watch import TrainingError

logger = logging.getLogger(__name__)


class ShortageError(Exception):
    """Memory did not suffice for a hook; what it asked for, in words, or "" where nobody said."""

    def __init__(self, asked: str, agreed: bool) -> None:
        """`agreed`: whether all processes of the training raise this, so that they can save together."""
        super().__init__(asked)
        self.agreed = agreed

    def told(self, step: int, saver: Saver, event: Callable[..., None]) -> TrainingError:
        """What ends the run, after saving its state."""
        saved = saver.rescue(step) if self.agreed else f"The newest checkpoint is of step {saver.saved}."
        event("out_of_memory", step=step, beside=True)
        asked = f" ({self} more were asked for)" if str(self) else ""
        return TrainingError(
            f"out of memory in what is done beside the training, after step {step}{asked}. Set "
            "`acceleration.offload_optimizer_during_validation: true`, or use smaller samples "
            f"(`validation.video_dims`), or none (`validation.interval: null`). {saved}"
        )


def called(hook: Hook, step: int, saver: Saver, event: Callable[..., None]) -> Mapping[str, float]:
    """What a hook measures after `step` finished steps; nothing where the disk did not let it.

    Raises:
        ShortageError: when memory does not suffice.
        StoreError, OSError: for all else that is wrong with the disk.
    """
    alone = saver.accelerator.num_processes == 1
    try:
        return hook.call(step) or {}
    except (StoreError, OSError) as error:
        if not alone or not _disk_is_full(error):
            raise
        logger.warning("what is done beside step %d is left out: %s", step, error)
        event("hook_failed", step=step, reason=str(error))
        return {}
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        asked = asked_for(error)
        free(error)
        raise ShortageError(asked, alone or isinstance(error, SharedShortageError)) from None


def _disk_is_full(error: BaseException) -> bool:
    """A store's error was caused by one of the system."""
    return any(getattr(each, "errno", None) in DISK_ERRORS for each in (error, error.__cause__))
