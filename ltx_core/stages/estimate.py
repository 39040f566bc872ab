"""What a plan costs: time, memory of device and host, disk, and what to change where it does not fit.

Reads records, configs and headers; loads no model, no torch (but to ask a GPU that is there for its memory).
Each part has a file: `estimate_tokens`, `estimate_memory`, `estimate_disk`, `estimate_time`, `advice`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ltx_core.stages.advice import Advice, advise
from ltx_core.stages.base import StagePlan
from ltx_core.stages.context import Context
from ltx_core.stages.device import Device
from ltx_core.stages.estimate_disk import checkpoint_bytes, store_bytes
from ltx_core.stages.estimate_memory import Memory
from ltx_core.stages.estimate_time import calibration_of, missing_rows, with_seconds
from ltx_core.stages.need import Need
from ltx_core.stages.settings import Settings
from ltx_core.stages.slowdown import Slowdown
from ltx_core.stages.tokens import Tokens

__all__ = ["Estimate", "estimate", "fit", "missing_rows", "with_seconds"]


@dataclass(frozen=True)
class Fit:
    """Memory of a config on a device.

    Attributes:
        device: where it runs.
        needs: peaks of the stages.
        advice: what to change; no steps where everything fits.
        measured: whether the steps' loss of speed follows from a calibration; else from nominal speeds.
    """

    device: Device
    needs: tuple[Need, ...]
    advice: Advice
    measured: bool

    @property
    def fits(self) -> bool:
        """Whether every stage fits as the config is."""
        return all(need.peak <= self.device.usable for need in self.needs)


@dataclass(frozen=True)
class Estimate:
    """What the missing part of a plan costs.

    Attributes:
        seconds: of all missing work whose time is known.
        unknown: stages with missing work of unknown time.
        fit: memory of the device.
        host: bytes of the machine's memory, for one process.
        processes: of the training.
        trained_parameters: numbers that learn.
        optimizer: which.
        moment_bytes: of its state.
        average: where an average of the weights lies; "" without one.
        tokens: of every bucket.
        store_bytes: of the missing rows; None while the number of clips is unknown.
        checkpoint_bytes: of the checkpoints that a training keeps.
    """

    seconds: float
    unknown: tuple[str, ...]
    fit: Fit
    host: int
    processes: int
    trained_parameters: int
    optimizer: str
    moment_bytes: int
    average: str
    tokens: tuple[Tokens, ...]
    store_bytes: int | None
    checkpoint_bytes: int


def fit(context: Context, device: Device) -> Fit:
    """Memory of a config on a device, whatever of its results is there already.

    Raises:
        ModelError: when the model is missing or damaged.
        ConfigError: when a bucket does not fit the model.
    """
    return _fit(Memory(context, device.gpu), device)


def estimate(context: Context, plans: Sequence[StagePlan], device: Device) -> Estimate:
    """The cost of `plans`, whose seconds are known (`with_seconds`), on a device.

    Raises:
        ModelError: when the model is missing or damaged.
        ConfigError: when a bucket does not fit the model.
    """
    memory, options = Memory(context, device.gpu), context.config.optimization
    moments, host = memory.learning.moments or 0, options.ema_offload
    training = any(plan.stage == "train" and (plan.missing or not plan.ready) for plan in plans)
    return Estimate(
        seconds=sum(plan.seconds or 0.0 for plan in plans),
        unknown=tuple(plan.stage for plan in plans if plan.seconds is None),
        fit=_fit(memory, device),
        host=memory.host(Settings.of(context.config)),
        processes=memory.processes,
        trained_parameters=memory.trained,
        optimizer=options.optimizer_type,
        moment_bytes=moments,
        average="" if options.ema_decay is None else "in the machine's memory" if host else "on the device",
        tokens=memory.tokens,
        store_bytes=store_bytes(context, plans, lambda plan: missing_rows(context, plan)),
        checkpoint_bytes=checkpoint_bytes(context, memory.trained, moments) if training else 0,
    )


def _fit(memory: Memory, device: Device) -> Fit:
    found = calibration_of(memory.context, device)
    advice = advise(memory, Slowdown(memory, found), device.usable)
    return Fit(device, memory.needs(Settings.of(memory.config)), advice, found is not None)
