"""Which trackers a run has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ltx_core.training.tracker_options import Tracking
from ltx_core.training.trackers.base import Opening
from ltx_core.training.trackers.tensorboard import tensorboard
from ltx_core.training.trackers.trackio import trackio
from ltx_core.training.trackers.wandb import wandb


def openings(folder: Path, tracking: Tracking, *, board: bool) -> Sequence[Opening]:
    """The trackers of the run in `folder`; none is opened yet, no library is loaded."""
    found = [tensorboard(folder, tracking.facts)] if board else []
    if tracking.wandb.on:
        found.append(wandb(folder, tracking.wandb, tracking.facts))
    if tracking.trackio.enabled:
        found.append(trackio(folder, tracking.trackio, tracking.facts))
    return found
