"""Where a run goes on."""

from __future__ import annotations

import itertools
import logging
import uuid
from pathlib import Path

from ltx_core.errors import LtxError
from ltx_core.training.checkpoint import TrainingState, latest, load_state, sweep

logger = logging.getLogger(__name__)


def resume_point(root: Path, identity: str, *, allowed: bool, main: bool = True) -> TrainingState | None:
    """The state that a run with this identity goes on from; None: it begins at step 0.

    Checkpoints that a run at step 0 would mix with its own are moved aside, not removed.

    Args:
        root: the run's folder of checkpoints.
        identity: what the run depends on.
        allowed: False begins at step 0 in any case.
        main: whether this process writes.

    Raises:
        LtxError: when the newest checkpoint is of another identity.
    """
    if main:
        sweep(root)
    found = latest(root, with_state=True) if allowed else None
    if found is None:
        if main and root.is_dir() and any(root.glob("step_*")):
            names = (root.with_name(f"{root.name}.{number}") for number in itertools.count(1))
            aside = next(path for path in names if not path.exists())
            root.rename(aside)
            logger.warning("training begins at step 0; earlier checkpoints were moved to %s", aside)
        return None
    state = load_state(found)
    if state.identity != identity:
        raise LtxError(
            f"{found} belongs to another configuration or dataset ({state.identity or 'none'}, "
            f"now {identity}); give this run another `name`, or begin anew with `checkpoints.no_resume=true`"
        )
    if main:
        _set_aside(root, found)
    logger.info("going on from %s", found)
    return state


def _set_aside(root: Path, found: Path) -> None:
    """Move checkpoints of later steps, which are damaged or have no state: retention would take them for the
    newest ones."""
    for path in root.glob("step_*"):
        if (len(path.name), path.name) > (len(found.name), found.name):
            target = root / f"unused_{path.name}-{uuid.uuid4().hex[:8]}"
            logger.warning("%s cannot be gone on from; it was moved to %s", path, target)
            path.rename(target)
