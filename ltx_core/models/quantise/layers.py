"""Linear layers whose frozen weights lie in 8 or 4 bits: for the base under a LoRA, and for text encoders.

Design choices
- Only weights are quantised: a layer reads its weight back for the moment of a matrix product, in the type
  that it computes in. So outputs and gradients are those of a plain layer with the weight as it is read back.
- The backward pass reads it back once more instead of keeping it: with or without gradient checkpointing a
  layer keeps its codes and nothing else.
- A layer is an `nn.Linear`, so that adapters of peft are put around it; what it stores are frozen parameters.
- Layers are exchanged while a module has no memory yet, and each weight is quantised as it is read from its
  file: the peak is the quantised module and one weight (`loading.load_component`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ltx_core.models.errors import ModelError
from ltx_core.models.names import is_adapter
from ltx_core.models.partial import Convert
from ltx_core.models.quantise.formats import FORMATS, Parts, empty_parts
from ltx_core.models.quantise.methods import Method, skipped


class QuantisedLinear(nn.Linear):
    """A frozen linear layer `[..., in]` -> `[..., out]` with its weight in few bits.

    Attributes:
        method: how it is stored.
        dtype: the type that the weight had, which `weight` has again.
    """

    def __init__(self, linear: nn.Linear, method: Method) -> None:
        """The quantised form of a layer, on its device, the meta device included."""
        nn.Module.__init__(self)  # nn.Linear's own would make a weight
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.method: Method = method
        for name, part in self.encode(linear.weight.detach()).items():
            self.register_parameter(name, nn.Parameter(part, requires_grad=False))
        bias = None if linear.bias is None else nn.Parameter(linear.bias.detach(), requires_grad=False)
        self.register_parameter("bias", bias)

    def encode(self, weight: Tensor) -> Parts:
        """What the layer stores of a weight `[out, in]`, whose type it takes on."""
        self.dtype = weight.dtype
        if weight.is_meta:
            return empty_parts(self.method, *weight.shape)
        return FORMATS[self.method].encode(weight)

    @property
    def parts(self) -> Parts:
        """What is stored of the weight."""
        return {name: part for name, part in self._parameters.items() if name != "bias" and part is not None}

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """A copy of the weight `[out, in]` as it is read back; writing into it changes nothing."""
        return FORMATS[self.method].decode(self.parts, self.in_features, self.dtype)

    def forward(self, input: Tensor) -> Tensor:
        """The layer's output, in the type of its input or of autocast."""
        kind = input.device.type
        if torch.is_autocast_enabled(kind):
            input = input.to(torch.get_autocast_dtype(kind))
        parts = self.parts
        product: Callable[..., Tensor] = _Product.apply
        return product(input, self.bias, self.method, tuple(parts), *parts.values())

    def extra_repr(self) -> str:
        """As a plain layer's, with the method."""
        return f"{super().extra_repr()}, method={self.method}"

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Any:
        """Move or cast the layer. Scales keep their type: rounded, they would change every weight."""
        before = {name: part.data for name, part in self.parts.items()}
        result = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, part in self.parts.items():
            if part.dtype != before[name].dtype:
                part.data = before[name].to(part.device)
        self.dtype = fn(torch.empty(0, dtype=self.dtype)).dtype
        return result


class _Product(torch.autograd.Function):
    """`input @ weight.T + bias`, with a gradient for the input alone."""

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, bias: Tensor | None, method: Method, names: tuple[str, ...], *parts: Tensor
    ) -> Tensor:
        ctx.method, ctx.names, ctx.columns = method, names, input.shape[-1]
        ctx.save_for_backward(*parts)
        weight = FORMATS[method].decode(dict(zip(names, parts, strict=True)), ctx.columns, input.dtype)
        return functional.linear(input, weight, None if bias is None else bias.to(input.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        parts = dict(zip(ctx.names, ctx.saved_tensors, strict=True))
        weight = FORMATS[ctx.method].decode(parts, ctx.columns, gradient.dtype)
        return gradient @ weight, None, None, None, *(None for _ in parts)


@dataclass(frozen=True)
class Quantiser:
    """How the layers of a module are stored.

    Attributes:
        method: of all that are quantised.
        skip: patterns of the whole names of layers that stay exact.
    """

    method: Method
    skip: tuple[str, ...]

    @classmethod
    def of(cls, method: Method | None, skip: tuple[str, ...]) -> Quantiser | None:
        """The one of a method; None for none."""
        return None if method is None else cls(method, skip)

    def prepare(self, module: nn.Module) -> Convert:
        """Exchange the layers of a module that has no memory yet; gives what takes in its weights.

        Raises:
            ModelError: when no layer of the module can be quantised.
        """
        quantise(module, self.method, self.skip)
        layers = {name: m for name, m in module.named_modules() if isinstance(m, QuantisedLinear)}

        def convert(name: str, tensor: Tensor) -> Mapping[str, Tensor]:
            owner, _, kind = name.rpartition(".")
            if kind != "weight" or owner not in layers:
                return {name: tensor}
            return {f"{owner}.{part}": value for part, value in layers[owner].encode(tensor).items()}

        return convert


def quantise(module: nn.Module, method: Method, skip: tuple[str, ...]) -> None:
    """Exchange the linear layers of a frozen module for quantised ones, one after the other, in place.

    Args:
        module: without adapters, on any device.
        method: how weights are stored.
        skip: patterns of the whole names of layers that stay exact.

    Raises:
        ModelError: when there is no layer that could be quantised.
        ValueError: when the module has adapters, whose own layers learn.
    """
    names = [name for name, _ in module.named_modules()]
    if any(map(is_adapter, names)):
        raise ValueError("a module with adapters cannot be quantised; quantise it before they are added")
    found = 0
    for name in names:
        linear = module.get_submodule(name)
        if type(linear) is nn.Linear and not skipped(name, skip):
            module.set_submodule(name, QuantisedLinear(linear, method))
            found += 1
    if not found:
        raise ModelError(
            f"no linear layer of {type(module).__name__} can be quantised; leave quantisation out"
        )
