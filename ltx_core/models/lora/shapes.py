"""Shapes of an adapter's weights, from its layer's size and the options alone. No torch here.

LoKr (Yeh et al. 2024, "Navigating Text-To-Image Customization", as in LyCORIS and peft): the change of a
weight `[out, in]` is the Kronecker product of w1 `[l, m]` and w2 `[k, n]` with l k = out and m n = in; each
of them may be a product of rank `rank` itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ltx_core.models.lora.targets import WEIGHT, Size
from ltx_core.models.options import LoraOptions

Shape = tuple[int, ...]
LORA_A, LORA_B, MAGNITUDE = "lora_A.weight", "lora_B.weight", "lora_magnitude_vector.weight"
"""Ends of the names of an adapter's weights in a model's state."""


def adapter_shapes(options: LoraOptions, size: Size, layer: Shape) -> dict[str, Shape]:
    """The weights of one layer's adapter, by the end of their names in the state.

    Args:
        options: kind and its options.
        size: the adapter's rank.
        layer: of its weight, `[out, in]`.
    """
    rows, columns = layer
    if options.kind == "lokr":
        return _kronecker(options, size.rank, rows, columns)
    found: dict[str, Shape] = {LORA_A: (size.rank, columns), LORA_B: (rows, size.rank)}
    return {**found, MAGNITUDE: (rows,)} if options.use_dora else found


def adapter_count(options: LoraOptions, sizes: Mapping[str, Size], shapes: Mapping[str, Shape]) -> int:
    """Numbers that learn in the adapters of these layers; `shapes` are those of the transformer's weights."""
    return sum(
        math.prod(shape)
        for name, size in sizes.items()
        for shape in adapter_shapes(options, size, shapes[name + WEIGHT]).values()
    )


def kept_per_token(options: LoraOptions, size: Size, layer: Shape) -> int:
    """Numbers that an adapter keeps per token for the backward pass, beside its input."""
    if options.kind == "lokr":
        (_, left), (right, _) = split_in_two(layer[0], options), split_in_two(layer[1], options)
        inner = adapter_shapes(options, size, layer)
        return right * left + (right * size.rank if "lokr_w2_a" in inner else 0)
    return size.rank + (2 * layer[0] if options.use_dora else 0)


def split_in_two(number: int, options: LoraOptions) -> tuple[int, int]:
    """The two factors of a layer's width, that of the first matrix first; peft's and LyCORIS' rule.

    `decompose_factor` itself where it divides the width; else the largest divisor that is neither above it
    nor above the square root.
    """
    wanted = options.decompose_factor
    if wanted > 0 and number % wanted == 0:
        return wanted, number // wanted
    limit = math.isqrt(number) if wanted < 0 else min(wanted, math.isqrt(number))
    first = next(divisor for divisor in range(limit, 0, -1) if number % divisor == 0)
    return first, number // first


def _kronecker(options: LoraOptions, rank: int, rows: int, columns: int) -> dict[str, Shape]:
    (left, below), (right, beside) = split_in_two(rows, options), split_in_two(columns, options)
    first: dict[str, Shape] = {"lokr_w1": (left, right)}
    if options.decompose_both and 2 * rank < max(left, right):
        first = {"lokr_w1_a": (left, rank), "lokr_w1_b": (rank, right)}
    second: dict[str, Shape] = {"lokr_w2": (below, beside)}
    if 2 * rank < max(below, beside):
        second = {"lokr_w2_a": (below, rank), "lokr_w2_b": (rank, beside)}
    return first | second
