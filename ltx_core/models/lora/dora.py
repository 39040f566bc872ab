"""DoRA (Liu et al. 2024): the length of each row of W + s B A is learned apart from its direction.

A layer gives m / |W + s B A| * (W + s B A) x, with a length m per row (output) and the norm taken as a
constant of the gradient (section 4.3 of the paper); peft's mathematics, in its place.

Design choices
- The norms come from |W|^2, W A' and A A', so neither B A nor an identity of a layer's width is made, which
  peft's own way does: 1 GiB and more for the second layer of a feed-forward.
- They are float32 whatever the base's type and autocast: a length that a rounded norm divides would not be 1
  at the start, and the adapted model would not be the base.
- A strength weakens the change as a whole, from the base (0) to what was trained (1), as ComfyUI does; a
  weaker B alone would leave the learned lengths.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.dora import DoraLinearLayer
from torch import Tensor, nn
from torch.nn import functional


def row_norms(weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    """`[out]` float32 lengths of the rows of W `[out, in]` + scale B `[out, r]` A `[r, in]`."""
    with torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
        a, b = a.float(), b.float()
        own = torch.linalg.vector_norm(weight, dim=1, dtype=torch.float32).square()
        crossed = ((weight.float() @ a.T) * b).sum(1)
        added = ((b @ (a @ a.T)) * b).sum(1)
        squares: Tensor = own + 2 * scale * crossed + scale * scale * added
        return squares.clamp(min=0).sqrt()


class Dora(DoraLinearLayer):  # type: ignore[misc]
    """peft's layer of the lengths, with norms by `row_norms`.

    Attributes:
        weight: `[out]` lengths.
        strength: of the whole change.
    """

    strength: float = 1.0

    def forward(
        self,
        x: Tensor,
        *,
        lora_A: nn.Linear,  # noqa: N803
        lora_B: nn.Linear,  # noqa: N803
        scaling: float,
        base_layer: Any,
        base_result: Tensor | None = None,
        adapter_name: str = "",
    ) -> Tensor:
        """What is added to the layer's output.

        Args:
            x: `[..., in]`, after dropout.
            lora_A, lora_B: the two factors.
            scaling: of their product.
            base_layer: the frozen layer.
            base_result: its output `[..., out]`; None: of `x` it is computed here.
            adapter_name: not used.
        """
        norms = row_norms(base_layer.weight, lora_A.weight, lora_B.weight, scaling)
        ratio = self.weight / norms.clamp(min=torch.finfo(torch.float32).tiny)
        learned = lora_B(lora_A(x)) * scaling
        if base_result is None:
            base_result = functional.linear(x, base_layer.weight.to(x.dtype))
        elif base_layer.bias is not None:
            base_result = base_result - base_layer.bias
        change: Tensor = (ratio - 1) * base_result + ratio * learned
        return change if self.strength == 1 else change * self.strength


def adopt(layer: Any, adapter: str) -> None:
    """Exchange peft's DoRA of a layer for this one; its lengths become those of the base's rows."""
    lengths = layer.lora_magnitude_vector[adapter]
    lengths.__class__ = Dora
    weight = layer.get_base_layer().weight
    norms = torch.linalg.vector_norm(weight.detach(), dim=1, dtype=torch.float32)
    lengths.weight = nn.Parameter(norms, requires_grad=lengths.weight.requires_grad)
