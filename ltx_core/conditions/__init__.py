"""One file per condition, and the one hand-written list of them.

The config's schema (of the training and of samples), the table in the docs and the property tests derive from
`CONDITIONS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from ltx_core.conditions.audio_to_video import AudioToVideoFile
from ltx_core.conditions.base import Condition
from ltx_core.conditions.files import FileCondition
from ltx_core.conditions.first_frame import FirstFrame
from ltx_core.conditions.mask import Mask
from ltx_core.conditions.prefix import Prefix
from ltx_core.conditions.reference import Reference
from ltx_core.conditions.spatial_crop import SpatialCrop
from ltx_core.conditions.suffix import Suffix
from ltx_core.conditions.video_to_audio import VideoToAudioFile

CONDITIONS: tuple[type[Condition], ...] = (
    FirstFrame,
    Prefix,
    Suffix,
    SpatialCrop,
    Mask,
    Reference,
)
"""Every condition that a config can name; each names its form in a sample as `file`."""

ROLES: tuple[type[FileCondition], ...] = (VideoToAudioFile, AudioToVideoFile)
"""What a sample states of a whole modality; in training the mode states it."""

FILE_CONDITIONS: tuple[type[FileCondition], ...] = (*(c.file for c in CONDITIONS if c.file), *ROLES)
"""Every condition that a sample can name."""

if TYPE_CHECKING:
    AnyCondition = Condition
    AnyFileCondition = FileCondition
else:
    # The unions are made of the lists.
    AnyCondition = Annotated[Union[CONDITIONS], Field(discriminator="type")]  # noqa: UP007
    """What stands in a `conditions:` list of the training."""
    AnyFileCondition = Annotated[Union[FILE_CONDITIONS], Field(discriminator="type")]  # noqa: UP007
    """What stands in a `conditions:` list of a sample."""

__all__ = [
    "CONDITIONS",
    "FILE_CONDITIONS",
    "ROLES",
    "AnyCondition",
    "AnyFileCondition",
    "Condition",
    "FileCondition",
    "FirstFrame",
    "Mask",
    "Prefix",
    "Reference",
    "SpatialCrop",
    "Suffix",
]
