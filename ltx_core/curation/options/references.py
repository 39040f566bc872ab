"""The references of each clip, videos and sounds: the options of all kinds, which lie in `referencing/`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge

from ltx_core.curation.referencing.audio_function import AudioFunctionOptions
from ltx_core.curation.referencing.audio_lowpass import LowpassOptions
from ltx_core.curation.referencing.audio_noise import AudioNoiseOptions
from ltx_core.curation.referencing.audio_pitch import PitchOptions
from ltx_core.curation.referencing.blur import BlurOptions
from ltx_core.curation.referencing.canny import CannyOptions
from ltx_core.curation.referencing.depth import DepthOptions
from ltx_core.curation.referencing.downscale import DownscaleOptions
from ltx_core.curation.referencing.file import REFERENCE_FILES as REFERENCE_FILES
from ltx_core.curation.referencing.file import FileOptions
from ltx_core.curation.referencing.function import FunctionOptions
from ltx_core.curation.referencing.kinds import AUDIO_REFERENCES, REFERENCES
from ltx_core.curation.referencing.noise import NoiseOptions
from ltx_core.curation.referencing.pose import PoseOptions
from ltx_core.curation.referencing.sketch import SketchOptions

DEFAULT, AUDIO_DEFAULT = "canny", "lowpass"
"""Kinds where none is stated and the dataset file gives nothing."""
if TYPE_CHECKING:
    ReferenceKind = str
    AudioReferenceKind = str
else:
    ReferenceKind = Literal[REFERENCES.names]
    AudioReferenceKind = Literal[AUDIO_REFERENCES.names]


@dataclass(frozen=True)
class ReferenceChoice:
    """Which reference a clip has.

    Attributes:
        kind: one of `referencing/kinds.py`. None: `file` if the dataset file has the column, else `canny`.
        reference_downscale_factor: size of the bucket over that of the reference.
        reference_temporal_scale_factor: frame rate of the bucket over that of the reference; the first and
            the last frame of both are the same.
    """

    kind: ReferenceKind | None = None
    reference_downscale_factor: Annotated[int, Ge(1)] = 1
    reference_temporal_scale_factor: Annotated[int, Ge(1)] = 1


@dataclass(frozen=True)
class ReferenceOptions(
    FunctionOptions,
    NoiseOptions,
    SketchOptions,
    PoseOptions,
    DownscaleOptions,
    DepthOptions,
    FileOptions,
    BlurOptions,
    CannyOptions,
    ReferenceChoice,
):
    """The reference video of each clip: made of its own frames, or given. A kind reads its own options."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        REFERENCES.check(self.kind, self, DEFAULT)


@dataclass(frozen=True)
class AudioReferenceChoice:
    """Which reference sound a clip has, as long as the clip.

    Attributes:
        kind: one of `referencing/kinds.py`. None: `file` if the dataset file has the column
            `reference_audio`, else `lowpass`.
    """

    kind: AudioReferenceKind | None = None


@dataclass(frozen=True)
class AudioReferenceOptions(
    AudioFunctionOptions, PitchOptions, AudioNoiseOptions, LowpassOptions, AudioReferenceChoice
):
    """The reference sound of each clip. A kind reads its own options."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        AUDIO_REFERENCES.check(self.kind, self, AUDIO_DEFAULT)
