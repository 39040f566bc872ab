"""first_frame: the first latent frame is given (image-to-video)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ltx_core.conditions.base import Condition, Grid, Modality
from ltx_core.conditions.files import FileCondition, Part, Target
from ltx_core.geometry.grid import VideoGrid

if TYPE_CHECKING:
    from torch import Tensor


class FirstFrameFile(FileCondition):
    """The first frame of a sample: an image, or the first one of a video."""

    FILES: ClassVar[tuple[str, ...]] = ("image_or_video",)

    type: Literal["first_frame"] = "first_frame"
    image_or_video: Path

    def counted(self, grid: Grid, length: Callable[[Path], int]) -> Condition:
        """The first frame."""
        return FirstFrame()

    def part(self, target: Target, column: str) -> Part:
        """The picture as the first latent frame."""
        content = target.empty("video")
        picture = target.pictures(self.image_or_video, (*target.dims[:2], 1), target.fps)
        content[:, :, :1] = target.encode(picture)
        return Part(FirstFrame(), content)


class FirstFrame(Condition):
    """Hold the first H*W tokens of a video; a sample of one frame is left alone: nothing would remain."""

    modalities: ClassVar[tuple[Modality, ...]] = ("video",)
    summary: ClassVar[str] = "holds the first latent frame"
    file = FirstFrameFile

    type: Literal["first_frame"] = "first_frame"

    def hold(self, grid: Grid, content: Tensor | None) -> Tensor:
        """`[N]`: 1 on the tokens of the first latent frame."""
        import torch

        if not isinstance(grid, VideoGrid):
            raise TypeError("first_frame holds tokens of a video grid")
        hold = torch.zeros(grid.tokens)
        if grid.frames > 1:
            hold[: grid.height * grid.width] = 1
        return hold
