"""Which part of each clip is generated, of its pictures and of its sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class MaskOptions:
    """Which part of each clip is generated.

    Attributes:
        kind: drawn from a seed, as moving boxes (`boxes`) or free-form strokes that drift (`strokes`), or the
            `video_mask` of the dataset file (`file`). None: `file` if it has that column, else `boxes`.
        seed: with the clip's id, the source of every number.
        coverage: share of the picture that is generated, about.
        shapes: boxes or strokes in one mask, at most.
        motion: way of each shape over the clip, as a share of the picture's shorter side, at most.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    kind: Literal["boxes", "strokes", "file"] | None = None
    seed: int = 0
    coverage: Annotated[float, Gt(0), Le(0.9)] = 0.3
    shapes: Annotated[int, Ge(1)] = 3
    motion: Annotated[float, Ge(0), Le(1)] = 0.4


@dataclass(frozen=True)
class AudioMaskOptions:
    """Which stretches of a sound are generated.

    Attributes:
        kind: drawn from a seed (`spans`), or the `audio_mask` of the dataset file (`file`). None: `file`
            if the dataset file has that column, else `spans`.
        seed: with the clip's id, the source of every number.
        coverage: share of the clip that is generated.
        spans: stretches in one mask, at most.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    kind: Literal["spans", "file"] | None = None
    seed: int = 0
    coverage: Annotated[float, Gt(0), Le(0.9)] = 0.4
    spans: Annotated[int, Ge(1)] = 2
