"""mask: a stored mask says how strongly each token is kept (inpainting); soft values keep in part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ltx_core.conditions.base import Condition, Grid
from ltx_core.conditions.files import OneSource, Part, Target
from ltx_core.errors import LtxError
from ltx_core.geometry.grid import VideoGrid

if TYPE_CHECKING:
    from torch import Tensor


class MaskFile(OneSource):
    """The part of a sample's video or sound that its mask keeps."""

    FILES: ClassVar[tuple[str, ...]] = ("video", "audio", "mask")

    type: Literal["mask"] = "mask"
    mask: Path

    def part(self, target: Target, column: str) -> Part:
        """The whole video or sound, and the mask as a column."""
        condition = Mask(mask_dir=column)
        if self.modality == "audio":
            content, _ = target.whole_sound(self.source)
            return Part(condition, content, target.sound_mask(self.mask))
        mask = target.picture_mask(self.mask)
        frames = target.pictures(self.source, target.dims, target.fps)
        return Part(condition, target.encode(frames), mask)


class Mask(Condition):
    """Hold by the mask in column `mask_dir`: 1 keeps, 0 generates, between them both in proportion."""

    summary: ClassVar[str] = "holds by a stored mask in [0, 1]"
    file = MaskFile

    type: Literal["mask"] = "mask"
    mask_dir: Annotated[str, Field(examples=["video_masks"])]

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of the masks."""
        return (self.mask_dir,)

    def hold(self, grid: Grid, content: Tensor | None) -> Tensor:
        """`[N]`: the mask `[F, H, W]` or `[T]` of one sample, in the order of the tokens.

        Raises:
            LtxError: when the mask is not on the target's grid or leaves [0, 1].
        """
        shape = (grid.frames, grid.height, grid.width) if isinstance(grid, VideoGrid) else (grid.tokens,)
        if content is None:
            raise LtxError(f"condition 'mask' has no content: the column {self.mask_dir!r} was not read")
        if tuple(content.shape) != shape:
            raise LtxError(
                f"a mask of {self.mask_dir!r} is {tuple(content.shape)} and its target {shape} in latents: "
                "a mask has its target's size and length; make it from a file of the target's size"
            )
        if bool((content < 0).any() or (content > 1).any()):
            raise LtxError(
                f"a mask of {self.mask_dir!r} has values from {float(content.min()):g} to "
                f"{float(content.max()):g}; they must lie in [0, 1]: 1 keeps, 0 generates"
            )
        return content.flatten().float()
