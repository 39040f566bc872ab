"""prefix: the beginning is given and its continuation generated (extension forward in time)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ltx_core.conditions.base import Grid
from ltx_core.conditions.files import Target
from ltx_core.conditions.span import Span, SpanFile

if TYPE_CHECKING:
    from torch import Tensor


class PrefixFile(SpanFile):
    """The beginning of a sample: by the causal rule, n latent frames are time*(n-1)+1 pixel frames."""

    type: Literal["prefix"] = "prefix"

    def latent(self, frames: int, time: int) -> int:
        """Latent frames that begin within `frames` pixel frames."""
        return (frames - 1) // time + 1

    def pixel(self, frames: int, time: int) -> int:
        """Pixel frames of `frames` latent frames."""
        return time * (frames - 1) + 1

    def _made(self, count: int) -> Span:
        return Prefix(temporal_boundary=count)

    def _where(self, count: int) -> slice:
        return slice(0, count)

    def _seen(self, target: Target, count: int) -> Tensor:
        dims = (*target.dims[:2], self.pixel(count, target.video.scale.time))
        return target.encode(target.pictures(self.source, dims, target.fps))


class Prefix(Span):
    """Hold the first `temporal_boundary` latent frames: by the causal rule, time*(n-1)+1 pixel frames."""

    summary: ClassVar[str] = "holds the first latent frames (audio: steps)"
    file = PrefixFile

    type: Literal["prefix"] = "prefix"

    def hold(self, grid: Grid, content: Tensor | None) -> Tensor:
        """`[N]`: 1 on the first n latent frames or steps."""
        return self._held(grid, slice(0, self._tokens(grid)))
