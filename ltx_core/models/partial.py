"""A part of a module: what a run does not need is neither made nor read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import torch
from safetensors import safe_open
from torch import Tensor, nn

from ltx_core.models.component import Stored

Keep = Callable[[str], bool]
"""Whether a parameter or module of this name is loaded."""
Convert = Callable[[str, Tensor], Mapping[str, Tensor]]
"""A weight as it was read, by name, as what a module keeps of it, by name."""


def leave_out(module: nn.Module, keep: Keep, prefix: str = "") -> None:
    """Remove every parameter that is not kept, and every submodule of which nothing is left."""
    for name, child in list(module.named_children()):
        full = f"{prefix}{name}"
        if keep(full) or any(keep(f"{full}.{inner}") for inner, _ in child.named_parameters()):
            leave_out(child, keep, f"{full}.")
        else:
            delattr(module, name)
    for name, _ in list(module.named_parameters(recurse=False)):
        if not keep(f"{prefix}{name}"):
            delattr(module, name)


def read_weights(
    weights: Mapping[str, Stored],
    device: torch.device | str,
    dtype: torch.dtype,
    convert: Convert | None = None,
) -> dict[str, Tensor]:
    """Copies of weights on `device`, floating ones in `dtype`; or what `convert` makes of each at once.

    Raises:
        OSError, SafetensorError: when a file cannot be read or is damaged.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in each_weight(weights):
        kind = dtype if tensor.is_floating_point() else tensor.dtype
        # A copy: what it gives is the file's own memory, which another program may change.
        copied = tensor.to(device, kind, copy=True)
        found |= {name: copied} if convert is None else convert(name, copied)
    return found


def each_weight(weights: Mapping[str, Stored]) -> Iterator[tuple[str, Tensor]]:
    """Weights one after the other, over their files' mapped memory; every file is opened once.

    Raises:
        OSError, SafetensorError: when a file cannot be read or is damaged.
    """
    with ExitStack() as stack:
        handles = {
            file: stack.enter_context(safe_open(file, "pt"))
            for file in sorted({stored.file for stored in weights.values()})
        }
        for name, stored in weights.items():
            yield name, stored.take(handles[stored.file])
