"""first_frame: the first latent frame is given (image-to-video)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ltx_core.conditions.base import Condition, Grid, Modality
from ltx_core.geometry.grid import VideoGrid

if TYPE_CHECKING:
    from torch import Tensor


class FirstFrame(Condition):
    """Hold the first H*W tokens of a video; a sample of one frame is left alone: nothing would remain."""

    modalities: ClassVar[tuple[Modality, ...]] = ("video",)
    summary: ClassVar[str] = "holds the first latent frame"

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
