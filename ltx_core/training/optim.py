"""The optimizer and the learning rate as a pure function of the optimizer step.

Schedules are those of the public trainer (names, shapes and defaults), with linear warm-up in front. No
scheduler object: a resumed run asks for the rate of its step, and processes or accumulation cannot shift it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from ltx_core.training.options import OptimizationOptions

LINEAR_END = 0.1
"""Last factor of the linear schedule (public trainer)."""
RESTART_FLOOR = 5e-5
"""Lowest learning rate of cosine_with_restarts (public trainer)."""


def learning_rate(options: OptimizationOptions, step: int) -> float:
    """Learning rate of the optimizer step `step`, counted from 0.

    During warm-up it is (step + 1) / warmup_steps of the highest rate; then the schedule spans the rest.
    """
    warmup = options.warmup_steps
    if step < warmup:
        return options.learning_rate * (step + 1) / warmup
    shape = _SHAPES[options.scheduler_type]
    return options.learning_rate * shape(options, step - warmup, max(1, options.steps - warmup))


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that learn, by name, in the model's order.

    Raises:
        ValueError: when there is none, or one is not float32 (its updates would be lost in rounding).
    """
    found = {name: value for name, value in model.named_parameters() if value.requires_grad}
    if not found:
        raise ValueError("the model has no trainable parameter; add a LoRA or let its weights learn")
    for name, value in found.items():
        if value.dtype != torch.float32:
            raise ValueError(
                f"trainable parameter {name} is {value.dtype}; it must be float32: cast it before training"
            )
    return found


def adamw(parameters: Iterable[nn.Parameter], options: OptimizationOptions) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019); not fused, so that equal states give equal bits on one device."""
    return torch.optim.AdamW(
        list(parameters),
        lr=options.learning_rate,
        betas=options.betas,
        weight_decay=options.weight_decay,
        fused=False,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate` in every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


@contextmanager
def offloaded(optimizer: torch.optim.Optimizer, wanted: bool) -> Iterator[None]:
    """Inside the block the moments lie in the machine's memory, after it where they were, bit for bit."""
    places = [
        (state, name, value.device)
        for state in (optimizer.state.values() if wanted else ())
        for name, value in state.items()
        if isinstance(value, torch.Tensor) and value.device.type != "cpu"
    ]
    for state, name, _ in places:
        state[name] = state[name].cpu()
    try:
        yield
    finally:
        for state, name, device in places:
            state[name] = state[name].to(device)


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
