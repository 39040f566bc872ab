"""The learning rate as a pure function of the optimizer step.

Schedules are those of the public trainer (names, shapes and defaults), with linear warm-up in front. No
scheduler object: a resumed run asks for the rate of its step, and processes or accumulation cannot shift it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ltx_core.training.options import OptimizationOptions

LINEAR_END = 0.1
"""Last factor of the linear schedule (public trainer)."""
RESTART_FLOOR = 5e-5
"""Lowest learning rate of cosine_with_restarts (public trainer)."""


def learning_rate(options: OptimizationOptions, step: int, modality: str | None = None) -> float:
    """Learning rate of the optimizer step `step`, counted from 0.

    During warm-up it is (step + 1) / warmup_steps of the highest rate; then the schedule spans the rest.

    Args:
        options: the schedule. A floor that is stated as a rate (`eta_min`) is one of `learning_rate`; that of
            a modality is lower or higher as its rate is.
        step: finished optimizer steps.
        modality: "video" or "audio", whose own rate the schedule scales where it has one; None: neither's.
    """
    highest, warmup = options.rate_of(modality), options.warmup_steps
    if step < warmup:
        return highest * (step + 1) / warmup
    shape = _SHAPES[options.scheduler_type]
    return highest * shape(options, step - warmup, max(1, options.steps - warmup))


def _floor(options: OptimizationOptions, default: float = 0.0) -> float:
    """Lowest factor: `min_lr_ratio`, or `eta_min` (a learning rate), or `default`; at most 1."""
    params = options.scheduler_params
    if "min_lr_ratio" in params:
        return min(1.0, params["min_lr_ratio"])
    if "eta_min" in params:
        return min(1.0, params["eta_min"] / options.learning_rate)
    return min(1.0, default)


def _constant(options: OptimizationOptions, step: int, steps: int) -> float:
    return 1.0


def _linear(options: OptimizationOptions, step: int, steps: int) -> float:
    """From `start_factor` (1) to `end_factor` (0.1)."""
    params = options.scheduler_params
    start = params.get("start_factor", 1.0)
    end = params.get("end_factor", params.get("min_lr_ratio", LINEAR_END))
    return start + (end - start) * min(1.0, step / steps)


def _cosine(options: OptimizationOptions, step: int, steps: int) -> float:
    """Half a cosine wave from 1 to the floor (0)."""
    return _wave(_floor(options), min(1.0, step / steps))


def _restarts(options: OptimizationOptions, step: int, steps: int) -> float:
    """Cosine cycles: the first of `T_0` steps, or `num_cycles` (4) equal ones; each `T_mult` times longer."""
    params = options.scheduler_params
    length = params.get("T_0", max(1, steps // int(params.get("num_cycles", 4))))
    while step >= length:
        step -= int(length)
        length *= params.get("T_mult", 1)
    return _wave(_floor(options, RESTART_FLOOR / options.learning_rate), step / length)


def _polynomial(options: OptimizationOptions, step: int, steps: int) -> float:
    """(1 - progress) ** `power` (1), from 1 to the floor (0)."""
    floor = _floor(options)
    left = 1 - min(1.0, step / steps)
    return floor + (1 - floor) * math.pow(left, options.scheduler_params.get("power", 1.0))


def _step(options: OptimizationOptions, step: int, steps: int) -> float:
    """Times `gamma` (0.1) every `step_size` steps (half of all), never below the floor."""
    params = options.scheduler_params
    size = int(params.get("step_size", max(1, steps // 2)))
    return max(_floor(options), math.pow(params.get("gamma", 0.1), step // size))


def _wave(floor: float, progress: float) -> float:
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


_SHAPES: Mapping[str, Callable[[OptimizationOptions, int, int], float]] = {
    "constant": _constant,
    "linear": _linear,
    "cosine": _cosine,
    "cosine_with_restarts": _restarts,
    "polynomial": _polynomial,
    "step": _step,
}
