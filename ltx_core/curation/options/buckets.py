"""Options of buckets that are chosen from the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

MAX_UPSCALE = 1.25
"""How much a picture may be enlarged where buckets are chosen and nothing else is said."""


@dataclass(frozen=True)
class AutoBuckets:
    """`dataset.auto_buckets`: what `dataset.buckets: auto` chooses.

    Attributes:
        area: pixels of a picture at the most; shapes take 88 to 100 % of it, smaller ones only where footage
            is too small for these.
        max_tokens: of a sample at the most, references and sound included; None: as `area` and `max_frames`
            give.
        keep_pixels: share of the pictures' pixels that the crop to a shape shall keep, on average; shapes are
            added until it is reached.
        keep_frames: share of the frames that clips shall use; lengths are added until it is reached.
        max_shapes: different widths x heights of films at the most, and of stills.
        max_lengths: different frame counts of films at the most.
        min_frames: of the shortest film clip at least.
        max_frames: of the longest at the most.
        min_aspect: width / height of the narrowest shape.
        max_aspect: width / height of the widest shape.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    area: Annotated[int, Ge(1)] = 768 * 448
    max_tokens: Annotated[int, Ge(1)] | None = None
    keep_pixels: Annotated[float, Gt(0), Le(1)] = 0.9
    keep_frames: Annotated[float, Gt(0), Le(1)] = 0.9
    max_shapes: Annotated[int, Ge(1)] = 6
    max_lengths: Annotated[int, Ge(1)] = 3
    min_frames: Annotated[int, Ge(2)] = 25
    max_frames: Annotated[int, Ge(2)] = 121
    min_aspect: Annotated[float, Gt(0)] = 0.4
    max_aspect: Annotated[float, Gt(0)] = 2.5

    def __post_init__(self) -> None:
        for low, high in (("min_frames", "max_frames"), ("min_aspect", "max_aspect")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(
                    f"auto_buckets.{low} {getattr(self, low):g} is above {high} {getattr(self, high):g}; "
                    f"use {low}: {getattr(self, high):g} or less"
                )
