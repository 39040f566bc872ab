"""audio_to_video: a sample's sound is given whole, and its video generated. A role, so no training form."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from ltx_core.conditions.base import Modality
from ltx_core.conditions.files import FileCondition, Part, Target


class AudioToVideoFile(FileCondition):
    """The sample's sound is given whole."""

    gives: ClassVar[Modality | None] = "audio"

    type: Literal["audio_to_video"] = "audio_to_video"
    audio: Path

    def part(self, target: Target, column: str) -> Part:
        """The whole sound, heard as it is."""
        content, wave = target.whole_sound(self.audio)
        return Part(content=content, wave=wave)
