"""How many blocks of a training recompute their activations: as stated, or as few as fit the device.

`auto` asks the memory plan (`estimate_memory.py`) for the peak of a step with fewer and fewer activations
kept and takes the first that fits. It changes time and memory alone; gradients are equal to the bit.
"""

from __future__ import annotations

from dataclasses import replace

from ltx_core.stages.advice import EVERY
from ltx_core.stages.context import Context
from ltx_core.stages.device import Device, find_device
from ltx_core.stages.estimate_memory import Memory
from ltx_core.stages.settings import Settings

ALL = 1
"""Every block: the least memory that recomputing can do with."""


def checkpointing_of(context: Context) -> int:
    """Which blocks recompute: 0 none, 1 all, n every n-th. Found out once, before the model is loaded.

    Raises:
        ModelError: when the model is missing or damaged.
        ConfigError: when a bucket does not fit the model.
    """
    options = context.config.optimization
    if options.enable_gradient_checkpointing != "auto":
        return options.checkpointing
    return context.memo(("recomputed blocks",), lambda: least_that_fits(context, find_device(context.config)))


def least_that_fits(context: Context, device: Device) -> int:
    """The least recomputation with which a training step fits; that of all blocks where none does."""
    memory, stated = Memory(context, device.gpu), Settings.of(context.config)
    tried = (replace(stated, every=every) for every in (0, *EVERY))
    return next((one.every for one in tried if memory.training(one).peak <= device.usable), ALL)
