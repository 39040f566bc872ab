"""An exponential moving average of what learns: the weights that are measured, sampled and exported.

Design choices
- Exact: float32, saved beside the parameters, and exchanged with them value by value, so that no bit of
  either is lost and no second copy of the model is needed.
- Warm-up of the decay is (1 + n) / (10 + n) after n updates, up to the stated one: the average follows at
  first, when the weights change fast (TensorFlow's `ExponentialMovingAverage` with `num_updates`).
- A step that changed nothing is no update, so the average has no weight of what did not happen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ltx_core.errors import LtxError
from ltx_core.models.sharding import fill, local
from ltx_core.training.options import OptimizationOptions

WARM_START, WARM_LENGTH = 1, 10
"""Of the decay's warm-up: (1 + n) / (10 + n)."""


def decay_at(options: OptimizationOptions, updates: int) -> float:
    """Share of the average that stays in the update after `updates` others."""
    assert options.ema_decay is not None
    if not options.ema_warmup:
        return options.ema_decay
    return min(options.ema_decay, (WARM_START + updates) / (WARM_LENGTH + updates))


class Average:
    """The average of named parameters, from their values when it is made.

    Attributes:
        updates: how many there were.
        values: by name, float32, on the parameters' device or on the host, shared out as the parameters are.
        inside: whether they are exchanged with the parameters' own now.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], options: OptimizationOptions) -> None:
        self.parameters, self.options, self.updates, self.inside = parameters, options, 0, False
        self.values = {name: self._kept(value.detach().clone()) for name, value in parameters.items()}

    def after(self, step: int) -> None:
        """Take in the parameters after `step` finished steps, the last of which changed them."""
        if step % self.options.ema_every:
            return
        share = 1 - decay_at(self.options, self.updates)
        own = [local(parameter.detach()) for parameter in self.parameters.values()]
        values = [local(value) for value in self.values.values()]
        if self.options.ema_offload:
            for value, parameter in zip(values, own, strict=True):
                moved = value.to(parameter.device)
                torch._foreach_lerp_([moved], [parameter], share)
                value.copy_(moved)
        else:
            torch._foreach_lerp_(values, own, share)
        self.updates += 1

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Inside the block the parameters have the average's values, and `values` the parameters' own; after
        it each has its own again, bit for bit. A block within the block changes nothing."""
        if self.inside:
            yield
            return
        exchanged: list[str] = []
        try:
            self.inside = True
            for name in self.parameters:
                self._exchange(name)
                exchanged.append(name)
            yield
        finally:
            for name in exchanged:
                self._exchange(name)
            self.inside = False

    def numbers(self) -> dict[str, Any]:
        """Counters of a checkpoint, as JSON."""
        return {"ema_updates": self.updates}

    def restore(self, values: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's values and counters.

        Raises:
            LtxError: when it has none, or they are of other parameters.
        """
        if values.keys() != self.values.keys():
            raise LtxError(
                "the checkpoint has no average of this model's parameters, but `optimization.ema_decay` is "
                "set; use the configuration that it was made with, or give this run another `name`"
            )
        for name, value in self.values.items():
            fill(value, values[name])
        self.updates = int(numbers["ema_updates"])

    def _kept(self, value: Tensor) -> Tensor:
        return value.cpu() if self.options.ema_offload else value

    def _exchange(self, name: str) -> None:
        parameter, value = local(self.parameters[name].detach()), local(self.values[name])
        own = parameter.clone()
        parameter.copy_(value)
        value.copy_(own)
