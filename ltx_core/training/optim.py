"""Optimizers and schedules in one place; see `optimizers.py` and `schedule.py`."""

from __future__ import annotations

from ltx_core.training.optimizers import (
    adamw,
    check_optimizer,
    make_optimizer,
    offloaded,
    parameter_groups,
    set_learning_rate,
    trainable,
)
from ltx_core.training.schedule import LINEAR_END, RESTART_FLOOR, learning_rate

__all__ = [
    "LINEAR_END",
    "RESTART_FLOOR",
    "adamw",
    "check_optimizer",
    "learning_rate",
    "make_optimizer",
    "offloaded",
    "parameter_groups",
    "set_learning_rate",
    "trainable",
]
