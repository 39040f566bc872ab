"""A LoRA added to its base's weights, weight by weight: never more than one layer is in memory.

Design choices
- The result is a component whose weights are computed when they are read, so whatever writes a component
  (a folder, one file) writes a merged one.
- W + strength x B A is summed in float32 and rounded once to the type of the base's weight; of a DoRA the
  rows of W + B A get their learned lengths first, and strength is the share of the whole change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.lora.file import LoraFile
from ltx_core.store.keys import digest, digest_bytes
from ltx_core.store.tensors import NAMES

DTYPES = {name: dtype for dtype, name in NAMES.items()}
"""Types that can be written, by their names in a file's header."""
WEIGHT = ".weight"


@dataclass(frozen=True)
class Derived(Stored):
    """A weight that is computed from what is stored.

    Attributes:
        make: gives the tensor, of the stored one's shape, from the opened file.
    """

    make: Callable[[Any], Tensor] = field(default=Tensor, compare=False)

    def take(self, handle: Any) -> Tensor:
        """The tensor, in the stored one's type."""
        return self.make(handle).to(DTYPES[self.dtype])

    def read_bytes(self) -> bytes:
        """The tensor's bytes."""
        found: bytes = self.read().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return found


def merge(base: Component, lora: LoraFile, strength: float = 1.0) -> Component:
    """The base's transformer with a LoRA in it.

    Args:
        base: the transformer.
        lora: the LoRA.
        strength: 1 is the LoRA as it was trained.

    Raises:
        ModelError: when a module is missing, of another shape, or of a type that cannot take it.
    """
    weights = dict(base.weights)
    for name in lora.modules:
        stored = weights.get(name + WEIGHT)
        if stored is None or stored.shape != lora.size(name):
            found = "does not exist" if stored is None else f"is {stored.shape}"
            raise ModelError(
                f"the LoRA does not fit the model in {base.place}: {name} {found}, the LoRA is for "
                f"{lora.size(name)}; use the base model that the LoRA was made for"
            )
        if not DTYPES.get(stored.dtype, torch.int8).is_floating_point:
            raise ModelError(
                f"{name} in {base.place} is {stored.dtype}: a LoRA cannot be added to quantised weights; "
                "give the model in bfloat16"
            )
        weights[name + WEIGHT] = Derived(*_fields(stored), partial(_merged, stored, lora, name, strength))
    parts = [base.identify(), strength, {name: _digests(lora, name) for name in lora.modules}]
    return replace(base, list_weights=lambda: weights, identify=lambda: digest(parts))


def watched(component: Component, tell: Callable[[int], None]) -> Component:
    """The same component, to be written once; `tell` gets the bytes of each weight when it is read.

    Files stay open from the first weight on: the header of a large one takes longer to read than a weight.
    """
    handles: dict[Path, Any] = {}

    def take(stored: Stored, _: Any = None) -> Tensor:
        tell(stored.end - stored.begin)
        if stored.file not in handles:
            handles[stored.file] = safe_open(stored.file, "pt")
        return stored.take(handles[stored.file])

    weights = {
        name: _Once(*_fields(stored), partial(take, stored)) for name, stored in component.weights.items()
    }
    return replace(component, list_weights=lambda: weights)


def stored_bytes(component: Component) -> int:
    """Bytes of a component's weights."""
    return sum(stored.end - stored.begin for stored in component.weights.values())


class _Once(Derived):
    """A weight whose file is open already."""

    def read(self) -> Tensor:
        return self.take(None)


def _fields(stored: Stored) -> tuple[Path, str, tuple[int, ...], str, int, int]:
    return stored.file, stored.key, stored.shape, stored.dtype, stored.begin, stored.end


def _merged(stored: Stored, lora: LoraFile, name: str, strength: float, handle: Any) -> Tensor:
    weight = stored.take(handle).float()
    if name in lora.lengths:
        turned = weight + lora.change(name)
        norms = torch.linalg.vector_norm(turned, dim=1).clamp(min=torch.finfo(torch.float32).tiny)
        return torch.lerp(weight, turned * (lora.lengths[name] / norms)[:, None], strength)
    if name in lora.weights:
        a, b = lora.weights[name]
        return torch.addmm(weight, b, a, alpha=strength)
    return weight.add(lora.change(name), alpha=strength)


def _digests(lora: LoraFile, name: str) -> list[str]:
    return [digest_bytes(part.contiguous().numpy().data.cast("B")) for part in lora.state(name).values()]
