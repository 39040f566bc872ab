"""prefix: the beginning is given and its continuation generated (extension forward in time)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ltx_core.conditions.base import Grid
from ltx_core.conditions.span import Span

if TYPE_CHECKING:
    from torch import Tensor


class Prefix(Span):
    """Hold the first `temporal_boundary` latent frames: by the causal rule, time*(n-1)+1 pixel frames."""

    summary: ClassVar[str] = "holds the first latent frames (audio: steps)"

    type: Literal["prefix"] = "prefix"

    def hold(self, grid: Grid, content: Tensor | None) -> Tensor:
        """`[N]`: 1 on the first n latent frames or steps."""
        return self._held(grid, slice(0, self._tokens(grid)))
