"""Bytes of a model's weights on a device, from the shapes in its files' headers: by type, method and swap."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ltx_core.models.quantise.methods import (
    SKIP_TEXT,
    SKIP_TRANSFORMER,
    Method,
    skipped,
    stored_bytes,
)
from ltx_core.models.swap_plan import resident_bytes, swapped_blocks

Shapes = Mapping[str, Sequence[int]]
BLOCKS, WEIGHT = "transformer_blocks.", ".weight"
OTHER_PARTS = ("vision", "audio_tower", "embed_audio", "multi_modal", "lm_head", "decoder.")
"""In the names of a text encoder's weights that are not loaded: towers, projectors, heads."""


@dataclass(frozen=True)
class WeightBytes:
    """Bytes of a transformer's weights.

    Attributes:
        blocks: of each block.
        rest: of everything else.
    """

    blocks: tuple[int, ...]
    rest: int

    @property
    def all(self) -> int:
        """Of all weights."""
        return sum(self.blocks) + self.rest

    def resident(self, swap: int = 0) -> int:
        """On the device while `swap` blocks live on the host.

        Raises:
            ValueError: when there are not so many blocks.
        """
        return resident_bytes(self.blocks, swap) + self.rest

    def host(self, swap: int) -> int:
        """On the host for good, of the swapped blocks."""
        return sum(self.blocks[index] for index in swapped_blocks(len(self.blocks), swap))


def transformer_bytes(shapes: Shapes, width: int, method: Method | None = None) -> WeightBytes:
    """Bytes of the weights that are loaded.

    Args:
        shapes: of those weights by diffusers' names.
        width: bytes of a number that is not quantised.
        method: of quantisation.
    """
    blocks: dict[int, int] = {}
    rest = 0
    for name, shape in shapes.items():
        size = _stored(name, shape, width, method, SKIP_TRANSFORMER)
        if name.startswith(BLOCKS):
            index = int(name.split(".")[1])
            blocks[index] = blocks.get(index, 0) + size
        else:
            rest += size
    return WeightBytes(tuple(blocks[index] for index in sorted(blocks)), rest)


def text_encoder_bytes(shapes: Shapes, width: int, method: Method | None = None) -> int:
    """Bytes of the bare language model of a text encoder."""
    return sum(
        _stored(name, shape, width, method, SKIP_TEXT) for name, shape in language_shapes(shapes).items()
    )


def language_shapes(shapes: Shapes) -> dict[str, Sequence[int]]:
    """Those of a text encoder's weights that are loaded."""
    found = {name: shape for name, shape in shapes.items() if not any(part in name for part in OTHER_PARTS)}
    if "shared.weight" in found:  # T5 writes one table of tokens under two names
        found = {name: shape for name, shape in found.items() if not name.endswith("embed_tokens.weight")}
    return found


def plain_bytes(shapes: Shapes, width: int, keep: Callable[[str], bool] = lambda name: True) -> int:
    """Bytes of weights of one type."""
    return sum(width * math.prod(shape) for name, shape in shapes.items() if keep(name))


def largest_bytes(shapes: Shapes, width: int) -> int:
    """Bytes of the largest weight: what reading them one by one holds beside them."""
    return max((width * math.prod(shape) for shape in shapes.values()), default=0)


def _stored(name: str, shape: Sequence[int], width: int, method: Method | None, skip: tuple[str, ...]) -> int:
    layer = name.removesuffix(WEIGHT)
    if method is not None and name.endswith(WEIGHT) and len(shape) == 2 and not skipped(layer, skip):
        return stored_bytes(method, int(shape[0]), int(shape[1]))
    return width * math.prod(shape)
