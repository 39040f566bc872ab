"""Optimizers of a user's own: one that keeps its state in every form, one that evaluates other weights."""

from __future__ import annotations

import torch


class Nested(torch.optim.Optimizer):
    """Momentum whose state is nested, partly no tensor, partly of narrow types."""

    def __init__(self, params, lr, *, momentum=0.9, gains=(1.0, 0.5)):
        super().__init__(params, {"lr": lr, "momentum": momentum, "gains": gains, "seen": 0, "mean": None})
        self.steps = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.steps += 1
        for group in self.param_groups:
            group["seen"] += 1
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(group, parameter)

    def _update(self, group, parameter):
        state = self.state[parameter]
        if not state:
            state["inner"] = {"sum": torch.zeros_like(parameter), 7: [torch.zeros(1), {"signs": None}]}
            state["pair"] = (torch.zeros_like(parameter, dtype=torch.bfloat16), 0.1)
            state["first"] = True
            state["bits"] = torch.zeros(parameter.numel(), dtype=torch.uint8)
        inner, (narrow, scale) = state["inner"], state["pair"]
        inner["sum"].mul_(group["momentum"]).add_(parameter.grad)
        inner[7][0] += 1
        inner[7][1]["signs"] = parameter.grad.signbit()
        narrow.mul_(0.5).add_(parameter.grad)
        state["pair"] = (narrow, scale / 1.1)
        state["bits"].add_(1)
        state["first"] = not state["first"]
        gain = group["gains"][state["first"]] / (self.steps + group["seen"])
        mean = group["mean"]
        group["mean"] = parameter.grad.mean() if mean is None else 0.9 * mean + parameter.grad.mean()
        change = inner["sum"] + narrow.float() * scale * inner[7][0] + group["mean"] + state["bits"][0]
        parameter.add_(torch.where(inner[7][1]["signs"], change, -change), alpha=-group["lr"] * gain)


class Free(torch.optim.SGD):
    """Has weights of its own to evaluate with, as schedule-free optimizers do."""

    def train(self):
        """Not used."""

    def eval(self):
        """Not used."""


class Opaque(torch.optim.SGD):
    """Keeps what no checkpoint can hold."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["lock"] = object()


def function(params, lr):
    return torch.optim.SGD(params, lr=lr)
