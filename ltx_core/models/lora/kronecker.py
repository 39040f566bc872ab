"""LoKr in a layer: peft's weights and names, multiplied without the Kronecker product.

(w1 x w2) x is w1 X w2' for x as a matrix X `[m, n]`, so a pass costs two small products per token. peft makes
the product, a matrix of the layer's size, in every pass, and keeps it for the backward pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from peft.tuners.lokr.layer import Linear
from torch import Tensor, nn
from torch.nn import functional

FACTORS = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b")
"""Names of a layer's weights, in a model's state and in files: a whole factor, or two of lower rank."""


class Kronecker(Linear):  # type: ignore[misc]
    """peft's LoKr layer with a pass of its own.

    Attributes:
        dropout: share of the adapter's inputs set to 0 in training.
    """

    dropout: float = 0.0

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """`[..., in]` -> `[..., out]`: the base layer's output and the adapter's."""
        result: Tensor = self.base_layer(x, *args, **kwargs)
        if self.disable_adapters:
            return result
        (name,) = self.active_adapters
        first, second = self._first(name), self._seconds(name)
        given = x.to(first.dtype)
        if self.dropout:
            given = functional.dropout(given, self.dropout, self.training)
        grid = given.reshape(*given.shape[:-1], first.shape[1], -1)
        for factor in second:
            grid = functional.linear(grid, factor)
        added = torch.matmul(first, grid).flatten(-2) * self.scaling[name]
        changed: Tensor = (result + added).to(result.dtype)
        return changed

    def _first(self, name: str) -> Tensor:
        if name in self.lokr_w1:
            whole: Tensor = self.lokr_w1[name]
            return whole
        product: Tensor = self.lokr_w1_a[name] @ self.lokr_w1_b[name]
        return product

    def _seconds(self, name: str) -> tuple[Tensor, ...]:
        """The second factor: what is multiplied one after the other."""
        if name in self.lokr_w2:
            return (self.lokr_w2[name],)
        return self.lokr_w2_b[name], self.lokr_w2_a[name]


def adopt(layer: Any, dropout: float) -> None:
    """Exchange peft's LoKr of a layer for this one."""
    layer.__class__ = Kronecker
    layer.dropout = dropout


def put_factors(layer: Any, adapter: str, factors: Mapping[str, Tensor]) -> None:
    """Let a layer have these weights, of whatever sizes; with scale 1."""
    device = layer.get_base_layer().weight.device
    for name in FACTORS:
        held = getattr(layer, name)
        if adapter in held:
            del held[adapter]
        if name in factors:
            held[adapter] = nn.Parameter(factors[name].to(device), requires_grad=False)
    layer.scaling[adapter] = 1.0
    layer.alpha[adapter] = layer.r[adapter]
