"""video_to_audio: a sample's video is given whole, and its sound generated. A role, so no training form."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from ltx_core.conditions.base import Modality
from ltx_core.conditions.files import FileCondition, Part, Target


class VideoToAudioFile(FileCondition):
    """The sample's video is given whole."""

    gives: ClassVar[Modality | None] = "video"

    type: Literal["video_to_audio"] = "video_to_audio"
    video: Path

    def part(self, target: Target, column: str) -> Part:
        """The whole video, shown as it is."""
        frames = target.pictures(self.video, target.dims, target.fps)
        return Part(content=target.encode(frames), frames=frames)
