"""Options of the trainer: the public trainer's sections, names and defaults. No torch here.

Differences from the public trainer, on purpose: the full training state is saved by default (its own default
loses the optimizer's moments), and warm-up, weight decay, caption dropout and loss weights can be set.
"""

from __future__ import annotations

from ltx_core.training.acceleration_options import NO_GPU, AccelerationOptions, Precision
from ltx_core.training.checkpoint_options import CheckpointOptions, Format
from ltx_core.training.optimization_options import (
    OPTIMIZERS,
    SCHEDULER_PARAMS,
    Fill,
    OptimizationOptions,
    SchedulerType,
    samples_of,
)

__all__ = [
    "NO_GPU",
    "OPTIMIZERS",
    "SCHEDULER_PARAMS",
    "AccelerationOptions",
    "CheckpointOptions",
    "Fill",
    "Format",
    "OptimizationOptions",
    "Precision",
    "SchedulerType",
    "samples_of",
]
