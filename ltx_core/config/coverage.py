"""What conditions hold of a grid, counted without torch: something must be left to generate.

The same answer as the conditions' own `hold`, which needs tensors; a test compares the two over all kinds.
Masks are not counted: what they hold stands in the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ltx_core.conditions import Condition, FirstFrame, Prefix, SpatialCrop, Suffix
from ltx_core.conditions.base import Grid
from ltx_core.conditions.span import Span
from ltx_core.conditions.spatial_crop import Region, region_cells
from ltx_core.geometry.grid import VideoGrid

Cells = set[tuple[int, int]]


@dataclass(frozen=True)
class Fault:
    """Why conditions cannot be applied to a grid.

    Attributes:
        place: number of the condition to change.
        found: what was found and the rule, in words.
        largest: the largest `temporal_boundary` of it that leaves something; None where there is none.
        region: the nearest region that covers something and not all; None where there is none.
    """

    place: int
    found: str
    largest: int | None = None
    region: Region | None = None

    @property
    def advice(self) -> str:
        """The nearest valid choice, in the fields of training."""
        if self.largest is not None:
            return f"the largest temporal_boundary that leaves something is {self.largest}"
        if self.region is not None:
            return f"nearest: {list(self.region)}"
        return "remove it"


def fault(conditions: Sequence[Condition], grid: Grid) -> Fault | None:
    """What is wrong with conditions on a grid; None where they hold something each and leave something."""
    for place, condition in enumerate(conditions):
        if isinstance(condition, SpatialCrop) and isinstance(grid, VideoGrid) and not _cells(condition, grid):
            region = condition.spatial_region
            return Fault(
                place,
                f"spatial_region {list(region)} covers no cell of {grid.scale.height}x{grid.scale.width} "
                f"pixels wholly in a picture {grid.height * grid.scale.height} high and "
                f"{grid.width * grid.scale.width} wide",
                region=_inside(region, grid),
            )
    if left(conditions, grid):
        return None
    return _nothing_left(conditions, grid)


def left(conditions: Iterable[Condition], grid: Grid) -> int:
    """Tokens that no condition holds, when all are applied; 0 when nothing is left to generate."""
    applied = [condition for condition in conditions if condition.probability > 0]
    frames = _frames(grid) - len(set().union(*(_span(condition, grid) for condition in applied)))
    if not isinstance(grid, VideoGrid):
        return frames
    cells: Cells = set().union(*(_cells(c, grid) for c in applied if isinstance(c, SpatialCrop)))
    return frames * (grid.height * grid.width - len(cells))


def _frames(grid: Grid) -> int:
    return grid.frames if isinstance(grid, VideoGrid) else grid.tokens


def _span(condition: Condition, grid: Grid) -> set[int]:
    """Latent frames (audio: steps) that a condition holds whole."""
    count = _frames(grid)
    if isinstance(condition, FirstFrame):
        return {0} if count > 1 else set()
    if isinstance(condition, Prefix):
        return set(range(min(condition.temporal_boundary, count)))
    if isinstance(condition, Suffix):
        return set(range(max(0, count - condition.temporal_boundary), count))
    return set()


def _cells(condition: SpatialCrop, grid: VideoGrid) -> Cells:
    rows, columns = region_cells(condition.spatial_region, grid)
    return {
        (row, column) for row in range(rows.start, rows.stop) for column in range(columns.start, columns.stop)
    }


def _nothing_left(conditions: Sequence[Condition], grid: Grid) -> Fault:
    """The fault of conditions that hold all: the longest span is to be shorter, else a region smaller."""
    said = [text for text in map(_said, conditions) if text]
    held = f"{' + '.join(said)} {'holds' if len(said) == 1 else 'together hold'}"
    unit = "latent frames" if isinstance(grid, VideoGrid) else "latent steps"
    found = f"{held} all {grid.tokens} tokens ({_frames(grid)} {unit}), so nothing is left to generate"
    spans = [(place, c) for place, c in enumerate(conditions) if isinstance(c, Span)]
    for place, condition in sorted(spans, key=lambda one: -one[1].temporal_boundary):
        for shorter in range(min(condition.temporal_boundary, _frames(grid)) - 1, 0, -1):
            if left(_changed(conditions, place, {"temporal_boundary": shorter}), grid):
                return Fault(place, found, largest=shorter)
    for place, crop in enumerate(conditions):
        if isinstance(crop, SpatialCrop) and isinstance(grid, VideoGrid):
            region = _smaller(crop.spatial_region, grid)
            if region and left(_changed(conditions, place, {"spatial_region": region}), grid):
                return Fault(place, found, region=region)
    return Fault(spans[-1][0] if spans else 0, found)


def _changed(conditions: Sequence[Condition], place: int, fields: dict[str, object]) -> list[Condition]:
    changed = list(conditions)
    changed[place] = changed[place].model_copy(update=fields)
    return changed


def _said(condition: Condition) -> str:
    if isinstance(condition, Span):
        return f"{condition.type} with temporal_boundary {condition.temporal_boundary}"
    if isinstance(condition, SpatialCrop):
        return f"spatial_crop with spatial_region {list(condition.spatial_region)}"
    return condition.type if isinstance(condition, FirstFrame) else ""


def _inside(region: Region, grid: VideoGrid) -> Region | None:
    """The nearest region of whole cells in the picture that leaves something, one cell at least."""
    y1, x1, y2, x2 = region
    rows = _nearest(y1, y2, grid.scale.height, grid.height)
    columns = _nearest(x1, x2, grid.scale.width, grid.width)
    found = (rows[0], columns[0], rows[1], columns[1])
    whole = (0, 0, grid.height * grid.scale.height, grid.width * grid.scale.width)
    return _smaller(found, grid) if found == whole else found


def _nearest(first: int, last: int, side: int, count: int) -> tuple[int, int]:
    start = min(round(first / side), count - 1)
    stop = min(max(round(last / side), start + 1), count)
    return start * side, stop * side


def _smaller(region: Region, grid: VideoGrid) -> Region | None:
    """The region, within the picture and one column or row of cells smaller; None where only one cell is."""
    y1, x1, _, _ = region
    y2, x2 = grid.height * grid.scale.height, grid.width * grid.scale.width
    if grid.width > 1:
        return (y1, x1, y2, x2 - grid.scale.width)
    return (y1, x1, y2 - grid.scale.height, x2) if grid.height > 1 else None
