"""spatial_crop: a rectangle of the picture is given and what surrounds it generated (outpainting)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from ltx_core.conditions.base import Condition, Grid, Modality
from ltx_core.conditions.files import FileCondition, Part, Target
from ltx_core.geometry.grid import VideoGrid

if TYPE_CHECKING:
    from torch import Tensor

    from ltx_core.conditions.files import Frames

Region = tuple[int, int, int, int]
"""y1, x1, y2, x2 in pixels of the target; the second corner is exclusive."""


class SpatialCropFile(FileCondition):
    """A region of the picture of a sample.

    Attributes:
        spatial_region: y1, x1, y2, x2 in pixels of the sample.
        fit: `frame` fits the video to the whole sample and keeps the region of it, as in training; `region`
            fits the whole video into the region.
    """

    type: Literal["spatial_crop"] = "spatial_crop"
    video: Path
    spatial_region: Region
    fit: Literal["frame", "region"] = "frame"

    @field_validator("spatial_region")
    @classmethod
    def _ordered(cls, value: Region) -> Region:
        return ordered_region(value)

    def counted(self, grid: Grid, length: Callable[[Path], int]) -> Condition:
        """The region."""
        return SpatialCrop(spatial_region=self.spatial_region)

    def part(self, target: Target, column: str) -> Part:
        """The video, of which the region is held."""
        condition = SpatialCrop(spatial_region=self.spatial_region)
        if not bool(condition.hold(target.video, None).any()):
            cell = f"{target.video.scale.width}x{target.video.scale.height}"
            raise target.refuse(
                self,
                f"the region {list(self.spatial_region)} covers no cell of {cell} pixels wholly in a picture "
                f"of {target.dims[0]}x{target.dims[1]}; give a larger one, with sides at multiples of a cell",
            )
        if self.fit == "frame":
            return Part(condition, target.encode(target.pictures(self.video, target.dims, target.fps)))
        return Part(condition, target.encode(self._placed(target)))

    def _placed(self, target: Target) -> Frames:
        """The video inside its region; around it its edge's pixels go on, so that nothing sharp is near."""
        import numpy as np

        width, height, count = target.dims
        y1, x1, y2, x2 = self.spatial_region
        if y2 > height or x2 > width:
            raise target.refuse(
                self,
                f"the region {list(self.spatial_region)} leaves the picture of {width}x{height}, and the "
                f"video shall fit into it; nearest: {[y1, x1, min(y2, height), min(x2, width)]}",
            )
        inner = target.pictures(self.video, (x2 - x1, y2 - y1, count), target.fps)
        return np.pad(inner, ((0, 0), (y1, height - y2), (x1, width - x2), (0, 0)), mode="edge")


class SpatialCrop(Condition):
    """Hold every token that the region covers wholly, in every frame."""

    modalities: ClassVar[tuple[Modality, ...]] = ("video",)
    summary: ClassVar[str] = "holds the tokens that a rectangle covers wholly, in every frame"
    file = SpatialCropFile

    type: Literal["spatial_crop"] = "spatial_crop"
    spatial_region: Annotated[Region, Field(examples=[(0, 0, 288, 576)])]

    @field_validator("spatial_region")
    @classmethod
    def _ordered(cls, value: Region) -> Region:
        return ordered_region(value)

    def hold(self, grid: Grid, content: Tensor | None) -> Tensor:
        """`[N]`: 1 on the cells inside the region."""
        import torch

        if not isinstance(grid, VideoGrid):
            raise TypeError("spatial_crop holds tokens of a video grid")
        rows, columns = region_cells(self.spatial_region, grid)
        hold = torch.zeros(grid.frames, grid.height, grid.width)
        hold[:, rows, columns] = 1
        return hold.flatten()


def ordered_region(value: Region) -> Region:
    """`value` as it is.

    Raises:
        ValueError: when it is no rectangle.
    """
    y1, x1, y2, x2 = value
    if min(value) < 0 or y1 >= y2 or x1 >= x2:
        near = (max(0, min(y1, y2)), max(0, min(x1, x2)), max(y1, y2, 1), max(x1, x2, 1))
        raise ValueError(
            f"spatial_region {list(value)} is no rectangle: it is [y1, x1, y2, x2] in pixels with "
            f"0 <= y1 < y2 and 0 <= x1 < x2; nearest: {list(near)}"
        )
    return value


def region_cells(region: Region, grid: VideoGrid) -> tuple[slice, slice]:
    """Rows and columns of the latent cells that `region` covers wholly; empty where it covers none."""
    y1, x1, y2, x2 = region
    rows = slice(-(-y1 // grid.scale.height), min(y2 // grid.scale.height, grid.height))
    columns = slice(-(-x1 // grid.scale.width), min(x2 // grid.scale.width, grid.width))
    return rows, columns
