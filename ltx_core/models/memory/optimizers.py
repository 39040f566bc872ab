"""Bytes of an optimizer's state, and of what its update takes for a moment, from shapes alone. No torch.

Read off each optimizer's own code; `tests/unit/training/test_optimizers.py` compares with what they allocate.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import prod
from typing import Any

from ltx_core.models.memory.block import FLOAT32

Shape = tuple[int, ...]
Params = Mapping[str, Any]

ADAM = 2 * FLOAT32
"""Bytes of two moments of a number: AdamW's; taken too for an optimizer of which nothing is known."""
SMALLEST_8BIT = 4096
"""Numbers of the smallest tensor whose moments bitsandbytes keeps in 8 bits."""
BLOCK_8BIT = 256
"""Numbers that share a scale there."""
TEMPORARY = 3
"""Copies of a tensor that an optimizer makes while it updates that one, where it does one after another."""


def moment_bytes(kind: str, shapes: Collection[Shape], params: Params | None = None) -> int:
    """Bytes of the state of an optimizer.

    Args:
        kind: `optimization.optimizer_type`.
        shapes: of all tensors that learn.
        params: `optimization.optimizer_params`.
    """
    each = _STATES.get(kind, _adam)
    return sum(each(shape, params or {}) for shape in shapes)


def update_bytes(kind: str, shapes: Collection[Shape], *, gpu: bool) -> int:
    """Bytes that an update takes beside weights, gradients and state, at the most.

    AdamW goes over all numbers at once on a GPU, the others over one tensor after another; 8 bits in place.
    """
    sizes = [prod(shape) * FLOAT32 for shape in shapes]
    if kind == "adamw8bit":
        return 0
    if kind in ("adafactor", "prodigy", "came"):
        return TEMPORARY * max(sizes, default=0)
    return sum(sizes) if gpu else 0


def _adam(shape: Shape, params: Params) -> int:
    return ADAM * prod(shape)


def _adam8bit(shape: Shape, params: Params) -> int:
    count = prod(shape)
    if count < params.get("min_8bit_size", SMALLEST_8BIT):
        return ADAM * count
    return 2 * (count + FLOAT32 * -(-count // BLOCK_8BIT))


def _adafactor(shape: Shape, params: Params) -> int:
    first = FLOAT32 * prod(shape) if params.get("beta1") is not None else 0
    return first + _squares(shape)


def _came(shape: Shape, params: Params) -> int:
    factored = len(shape) > 1
    return FLOAT32 * prod(shape) + _squares(shape) * (2 if factored else 1)


def _prodigy(shape: Shape, params: Params) -> int:
    """Moments, the distance from the beginning, and the beginning itself, which is nothing where all is 0."""
    return ADAM * prod(shape) + 2 * FLOAT32 * -(-prod(shape) // int(params.get("slice_p", 1)))


def _squares(shape: Shape) -> int:
    """Second moments, by rows and columns where there are such."""
    if len(shape) < 2:
        return FLOAT32 * prod(shape)
    return FLOAT32 * (prod(shape[:-1]) + prod((*shape[:-2], shape[-1])))


_STATES: Mapping[str, Callable[[Shape, Params], int]] = {
    "adamw": _adam,
    "adamw8bit": _adam8bit,
    "adafactor": _adafactor,
    "came": _came,
    "prodigy": _prodigy,
}
