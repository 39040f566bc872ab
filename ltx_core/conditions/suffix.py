"""suffix: the end is given and what leads to it generated (extension backward in time)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ltx_core.conditions.base import Grid
from ltx_core.conditions.span import Span

if TYPE_CHECKING:
    from torch import Tensor


class Suffix(Span):
    """Hold the last `temporal_boundary` latent frames: time*n pixel frames, unless it is the whole clip."""

    summary: ClassVar[str] = "holds the last latent frames (audio: steps)"

    type: Literal["suffix"] = "suffix"

    def hold(self, grid: Grid, content: Tensor | None) -> Tensor:
        """`[N]`: 1 on the last n latent frames or steps."""
        return self._held(grid, slice(grid.tokens - self._tokens(grid), grid.tokens))
