"""From the live training to a `TrainingState` and back, and where a run goes on."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ltx_core.errors import LtxError
from ltx_core.training.checkpoint import TrainingState, latest, load_state, sweep

logger = logging.getLogger(__name__)


def moments_of(parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's tensors, named "parameter/moment"."""
    return {
        f"{name}/{moment}": value
        for name, parameter in parameters.items()
        for moment, value in optimizer.state.get(parameter, {}).items()
    }


def put_back(
    state: TrainingState, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> None:
    """Put a state into the live parameters and optimizer.

    Raises:
        LtxError: when the parameters are not those of the state.
    """
    if set(state.parameters) != set(parameters):
        differing = sorted(set(state.parameters) ^ set(parameters))
        raise LtxError(
            f"the checkpoint's trainable parameters are not this model's ({len(differing)} differ, "
            f"such as {differing[0]}); use the configuration that it was made with"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state.parameters[name])
    moments: dict[int, dict[str, Tensor]] = {}
    places = {name: place for place, name in enumerate(parameters)}
    for full_name, value in state.optimizer.items():
        name, moment = full_name.rsplit("/", 1)
        moments.setdefault(places[name], {})[moment] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


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
    logger.info("going on from %s", found)
    return state
