"""Options of the models room, read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le, MinLen

TARGET_MODULES = ("to_k", "to_q", "to_v", "to_out.0")
"""The attentions' projections: the public trainer's default."""


@dataclass(frozen=True)
class LoraOptions:
    """The `lora` section.

    Attributes:
        rank: of each adapter.
        alpha: strength; an adapter's output is multiplied by alpha / rank.
        dropout: share of an adapter's inputs set to 0 in training.
        target_modules: names of linear layers that get an adapter, whole or as the end of a dotted name
            (`to_k`: every attention; `attn1.to_k`: the video's self attention only), in diffusers' or the
            original naming.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    rank: Annotated[int, Ge(1)] = 64
    alpha: Annotated[float, Gt(0)] = 64.0
    dropout: Annotated[float, Ge(0), Le(1)] = 0.0
    target_modules: Annotated[tuple[str, ...], MinLen(1)] = TARGET_MODULES
