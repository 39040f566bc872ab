"""Which part of each clip is generated, of its pictures and of its sound: the options of all kinds, which lie
in `masking/`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ltx_core.curation.masking.audio_energy import EnergyOptions
from ltx_core.curation.masking.audio_function import AudioMaskFunctionOptions
from ltx_core.curation.masking.audio_spans import AudioSpanOptions
from ltx_core.curation.masking.function import MaskFunctionOptions
from ltx_core.curation.masking.kinds import AUDIO_MASKS, MASKS
from ltx_core.curation.masking.moving import MovingOptions
from ltx_core.curation.masking.refine import RefineOptions
from ltx_core.curation.masking.sam2 import Sam2Options
from ltx_core.curation.masking.shapes import ShapeOptions
from ltx_core.curation.masking.spans import SpanOptions

DEFAULT, AUDIO_DEFAULT = "boxes", "spans"
"""Kinds where none is stated and the dataset file gives nothing."""
if TYPE_CHECKING:
    MaskKind = str
    AudioMaskKind = str
else:
    MaskKind = Literal[MASKS.names]
    AudioMaskKind = Literal[AUDIO_MASKS.names]


@dataclass(frozen=True)
class MaskChoice:
    """Which mask a clip has.

    Attributes:
        kind: one of `masking/kinds.py`. None: `file` if the dataset file has the column `video_mask`, else
            `boxes`.
    """

    kind: MaskKind | None = None


@dataclass(frozen=True)
class MaskOptions(
    RefineOptions,
    MaskFunctionOptions,
    Sam2Options,
    MovingOptions,
    SpanOptions,
    ShapeOptions,
    MaskChoice,
):
    """Which part of each clip is generated. A kind reads its own options; all are refined alike."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        MASKS.check(self.kind, self, DEFAULT)


@dataclass(frozen=True)
class AudioMaskChoice:
    """Which mask a clip's sound has.

    Attributes:
        kind: one of `masking/kinds.py`. None: `file` if the dataset file has the column `audio_mask`, else
            `spans`.
    """

    kind: AudioMaskKind | None = None


@dataclass(frozen=True)
class AudioMaskOptions(AudioMaskFunctionOptions, EnergyOptions, AudioSpanOptions, AudioMaskChoice):
    """Which stretches of a sound are generated. A kind reads its own options.

    Attributes:
        invert: generate what would be kept, and keep what would be generated.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    invert: bool = False

    def __post_init__(self) -> None:
        AUDIO_MASKS.check(self.kind, self, AUDIO_DEFAULT)
