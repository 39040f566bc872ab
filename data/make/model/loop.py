"""The training loop of all parts: AdamW, warm-up and cosine decay, clipped gradients, moving average."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Schedule:
    """How one part is trained. `floor` is the last learning rate as a share of `rate`."""

    steps: int
    rate: float
    warm_up: int = 50
    floor: float = 0.02
    betas: tuple[float, float] = (0.9, 0.99)
    decay: float = 0.01

    def factor(self, step: int) -> float:
        """Share of `rate` at `step`."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return min(1.0, (step + 1) / self.warm_up) * max(self.floor, cosine)


class Average:
    """A moving average of parameters, quick at first and over about 100 steps later."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.parameters = parameters
        self.values = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the parameters after `step`."""
        keep = min(0.99, (step + 1) / (step + 10))
        for value, parameter in zip(self.values, self.parameters, strict=True):
            value.lerp_(parameter, 1 - keep)

    @torch.no_grad()
    def apply(self) -> None:
        """Make the average the parameters."""
        for value, parameter in zip(self.values, self.parameters, strict=True):
            parameter.copy_(value)


def train(name: str, modules: Iterable[nn.Module], loss: Callable[[int], Tensor], schedule: Schedule) -> None:
    """Train `modules` on `loss(step)`; afterwards they hold the moving average of their weights."""
    parameters = [
        parameter for module in modules for parameter in module.parameters() if parameter.requires_grad
    ]
    optimizer = torch.optim.AdamW(
        parameters, schedule.rate, betas=schedule.betas, weight_decay=schedule.decay, fused=True
    )
    average = Average(parameters)
    total = 0.0
    every = max(1, schedule.steps // 20)
    for step in range(schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * schedule.factor(step)
        value = loss(step)
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update(step)
        total += value.item()
        if (step + 1) % every == 0:
            print(f"{name} {step + 1}/{schedule.steps} loss {total / every:.4f}", flush=True)
            total = 0.0
    average.apply()
