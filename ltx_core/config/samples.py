"""`validation.samples`: what to generate, and the files of its conditions (the public LTX-2 trainer's names).

A condition here names files; the conditions of `training_strategy` name dataset columns. Both become the same
`ltx_core.conditions` (`stages/content.py`). Counts and seconds mean the same as in training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ltx_core.conditions.base import Modality
from ltx_core.conditions.spatial_crop import Region, ordered_region

FACTORS = {
    "downscale_factor": "reference_downscale_factor",
    "temporal_scale_factor": "reference_temporal_scale_factor",
}
"""Field of a reference -> where a LoRA's metadata states it; absent where it was trained without."""


def trained_factors(metadata: Mapping[str, str], name: str, columns: Sequence[str] = ()) -> list[int]:
    """Factors that a LoRA's metadata states under `name`: one for all references, or one per column.

    Args:
        metadata: of the LoRA.
        name: a value of `FACTORS`.
        columns: those that are asked for, in order; none: all that are stated, each once.
    """
    try:
        found = json.loads(metadata.get(name, "1"))
    except ValueError:
        found = 1
    by_column = found if isinstance(found, dict) else dict.fromkeys(columns or ("",), found)
    return [int(by_column.get(column, 1)) for column in columns or sorted(by_column)]


class FileCondition(BaseModel):
    """Base of the conditions of a sample. `FILES` names the fields that hold paths."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    FILES: ClassVar[tuple[str, ...]] = ("video", "audio")

    type: str

    @property
    def paths(self) -> dict[str, Path]:
        """Field -> file, those that are stated."""
        found = {name: getattr(self, name, None) for name in self.FILES}
        return {name: Path(path) for name, path in found.items() if path is not None}

    @property
    def modality(self) -> Modality:
        """The modality whose tokens it touches."""
        return "audio" if "audio" in self.paths else "video"


class _OneSource(FileCondition):
    """A condition with `video: FILE` or `audio: FILE`."""

    video: Path | None = None
    audio: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> _OneSource:
        given = [name for name in ("video", "audio") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a {self.type} condition has {' and '.join(given) or 'neither video nor audio'}; it needs "
                "`video: FILE` or `audio: FILE`, one of them (for both, state the condition twice)"
            )
        return self


class _FileSpan(_OneSource):
    """A span given in frames or in seconds; the whole file by default.

    Attributes:
        num_frames: pixel frames of a video, latent steps of audio.
        duration: seconds.
    """

    num_frames: Annotated[int, Field(ge=1)] | None = None
    duration: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> _FileSpan:
        if self.num_frames is not None and self.duration is not None:
            raise ValueError(
                f"a {self.type} condition has num_frames {self.num_frames} and duration {self.duration:g}; "
                "state one of them"
            )
        return self


class FirstFrameFile(FileCondition):
    """The first frame: an image, or the first one of a video."""

    FILES: ClassVar[tuple[str, ...]] = ("image_or_video",)

    type: Literal["first_frame"] = "first_frame"
    image_or_video: Path


class PrefixFile(_FileSpan):
    """The beginning."""

    type: Literal["prefix"] = "prefix"


class SuffixFile(_FileSpan):
    """The end."""

    type: Literal["suffix"] = "suffix"


class SpatialCropFile(FileCondition):
    """A region of the picture.

    Attributes:
        spatial_region: y1, x1, y2, x2 in pixels of the sample.
        fit: `frame` fits the video to the whole sample and keeps the region of it, as in training; `region`
            fits the whole video into the region.
    """

    type: Literal["spatial_crop"] = "spatial_crop"
    video: Path
    spatial_region: Region
    fit: Literal["frame", "region"] = "frame"

    @field_validator("spatial_region")
    @classmethod
    def _ordered(cls, value: Region) -> Region:
        return ordered_region(value)


class MaskFile(_OneSource):
    """The part of a video or a sound that its mask keeps."""

    FILES: ClassVar[tuple[str, ...]] = ("video", "audio", "mask")

    type: Literal["mask"] = "mask"
    mask: Path


class ReferenceFile(_OneSource):
    """A reference.

    Attributes:
        downscale_factor: sample size over the size that the reference is encoded at.
        temporal_scale_factor: (sample frames - 1) over (reference frames - 1).
        include_in_output: show it beside the result.
    """

    type: Literal["reference"] = "reference"
    downscale_factor: Annotated[int, Field(ge=1)] = 1
    temporal_scale_factor: Annotated[int, Field(ge=1)] = 1
    include_in_output: bool = False


class VideoToAudioFile(FileCondition):
    """The sample's video is given whole."""

    type: Literal["video_to_audio"] = "video_to_audio"
    video: Path


class AudioToVideoFile(FileCondition):
    """The sample's sound is given whole."""

    type: Literal["audio_to_video"] = "audio_to_video"
    audio: Path


FILE_CONDITIONS: tuple[type[FileCondition], ...] = (
    FirstFrameFile,
    PrefixFile,
    SuffixFile,
    SpatialCropFile,
    MaskFile,
    ReferenceFile,
    VideoToAudioFile,
    AudioToVideoFile,
)
"""Every condition that a sample can name."""

AnyFileCondition = Annotated[
    FirstFrameFile
    | PrefixFile
    | SuffixFile
    | SpatialCropFile
    | MaskFile
    | ReferenceFile
    | VideoToAudioFile
    | AudioToVideoFile,
    Field(discriminator="type"),
]


class SampleSection(BaseModel):
    """One sample to generate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str
    conditions: tuple[AnyFileCondition, ...] = ()
    video_dims: tuple[int, int, int] | None = None
    seed: int | None = None

    @model_validator(mode="after")
    def _roles(self) -> SampleSection:
        """A modality cannot be given whole and held in part."""
        given: dict[str, Modality] = {"video_to_audio": "video", "audio_to_video": "audio"}
        whole = [given[c.type] for c in self.conditions if c.type in given]
        if len(whole) > 1:
            raise ValueError(
                f"the conditions give {' and '.join(whole)} whole: nothing is left to generate; "
                "keep one of video_to_audio and audio_to_video"
            )
        for condition in self.conditions:
            if condition.type not in (*given, "reference") and condition.modality in whole:
                raise ValueError(
                    f"a {condition.type} condition holds tokens of {condition.modality}, which another "
                    "condition gives whole; remove one of the two"
                )
        return self
