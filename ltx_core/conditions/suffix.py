"""suffix: the end is given and what leads to it generated (extension backward in time)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ltx_core.conditions.base import Grid
from ltx_core.conditions.files import Target
from ltx_core.conditions.span import Span, SpanFile

if TYPE_CHECKING:
    from torch import Tensor


class SuffixFile(SpanFile):
    """The end of a sample: n latent frames are time*n pixel frames."""

    type: Literal["suffix"] = "suffix"

    def latent(self, frames: int, time: int) -> int:
        """Latent frames whose pixel frames are all among `frames`, at least one."""
        return max(1, frames // time)

    def pixel(self, frames: int, time: int) -> int:
        """Pixel frames of `frames` latent frames."""
        return time * frames

    def _made(self, count: int) -> Span:
        return Suffix(temporal_boundary=count)

    def _where(self, count: int) -> slice:
        return slice(-count, None)

    def _seen(self, target: Target, count: int) -> Tensor:
        # The first latent frame stands for one pixel frame: it is a frame before the span, and dropped.
        time = target.video.scale.time
        before = (target.frame_count(self.source) - 1) // time
        context = max(count, min(before, target.video.frames - 1))
        dims = (*target.dims[:2], time * context + 1)
        return target.encode(target.last_pictures(self.source, dims, target.fps))


class Suffix(Span):
    """Hold the last `temporal_boundary` latent frames: time*n pixel frames, unless it is the whole clip."""

    summary: ClassVar[str] = "holds the last latent frames (audio: steps)"
    file = SuffixFile

    type: Literal["suffix"] = "suffix"

    def hold(self, grid: Grid, content: Tensor | None) -> Tensor:
        """`[N]`: 1 on the last n latent frames or steps."""
        return self._held(grid, slice(grid.tokens - self._tokens(grid), grid.tokens))
