"""What prefix and suffix share: a span of whole latent frames (audio: latent steps) at one end of a clip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ltx_core.conditions.base import Condition, Grid
from ltx_core.geometry.grid import VideoGrid

if TYPE_CHECKING:
    from torch import Tensor


class Span(Condition):
    """Base of the two: `temporal_boundary` latent frames of a video, or latent steps of audio."""

    temporal_boundary: Annotated[int, Field(ge=1)]

    def _tokens(self, grid: Grid) -> int:
        """Number of tokens that the span covers, at most all of them."""
        each = grid.height * grid.width if isinstance(grid, VideoGrid) else 1
        return min(self.temporal_boundary * each, grid.tokens)

    def _held(self, grid: Grid, where: slice) -> Tensor:
        import torch

        hold = torch.zeros(grid.tokens)
        hold[where] = 1
        return hold
