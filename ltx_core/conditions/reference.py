"""reference: another clip's clean tokens are attached in front (in-context LoRA, IC-LoRA).

Scale factors come from the data itself: rows and columns of the reference are multiplied by
target size / reference size; times use the reference's own frame rate, shifted so that both end together
(LTX-2 in-context reference, `docs/modes.md`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ltx_core.conditions.base import Attachment, Condition, Content, Grid, Modality
from ltx_core.errors import LtxError
from ltx_core.geometry.grid import VideoGrid

if TYPE_CHECKING:
    from torch import Tensor


class Reference(Condition):
    """Attach the tokens of the clip in column `latents_dir`: hold 1, no loss."""

    modalities: ClassVar[tuple[Modality, ...]] = ("video", "audio")
    attaches: ClassVar[bool] = True
    summary: ClassVar[str] = "attaches another clip's tokens"

    type: Literal["reference"] = "reference"
    latents_dir: str = "reference_latents"

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of the reference's latents."""
        return (self.latents_dir,)

    def attach(self, grid: Grid, content: Content) -> Attachment:
        """The reference's tokens at positions scaled to the target's."""
        positions = content.grid.positions()
        if isinstance(grid, VideoGrid) and isinstance(content.grid, VideoGrid):
            positions = _scaled(positions, grid, content.grid)
        return Attachment(content.tokens, positions.expand(len(content.tokens), *positions.shape))


def spatial_factor(target: VideoGrid, reference: VideoGrid) -> int:
    """Target size over reference size.

    Raises:
        LtxError: when it is not one positive whole number for both axes.
    """
    rows, row_rest = divmod(target.height, reference.height)
    columns, column_rest = divmod(target.width, reference.width)
    if row_rest or column_rest or rows != columns or rows < 1:
        raise LtxError(
            f"a reference of {reference.height}x{reference.width} latents does not fit a target of "
            f"{target.height}x{target.width}: the target must be the same whole multiple of it along both "
            "axes; prepare the references with a `reference_downscale_factor` that divides both sizes"
        )
    return rows


def temporal_factor(target: VideoGrid, reference: VideoGrid) -> int:
    """(target frames - 1) / (reference frames - 1), both in pixel frames.

    Raises:
        LtxError: when it is not a positive whole number.
    """
    if target.frames == reference.frames:
        return 1
    factor, rest = divmod(target.pixel_frames - 1, max(1, reference.pixel_frames - 1))
    if rest or factor < 1 or reference.frames == 1:
        raise LtxError(
            f"a reference of {reference.pixel_frames} frames does not fit a target of {target.pixel_frames}: "
            "(target frames - 1) must be a whole multiple of (reference frames - 1)"
        )
    return factor


def _scaled(positions: Tensor, target: VideoGrid, reference: VideoGrid) -> Tensor:
    import torch

    space = spatial_factor(target, reference)
    shift = (temporal_factor(target, reference) - 1) / target.fps
    return torch.cat([(positions[:1] - shift).clamp(min=0), positions[1:] * space])
