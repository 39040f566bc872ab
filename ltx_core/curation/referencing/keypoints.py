"""Keypoints of people by ViTPose: a crop around each box, heatmaps, and the places of their peaks.

Source: "ViTPose" (Xu et al., 2022), with the unbiased crop of "The Devil is in the Details" (Huang et al.,
2020): a crop's first and last pixel lie on the box's edges. Peaks are refined by the parabola through a
heatmap's logarithm, after "Distribution-Aware Coordinate Representation" (Zhang et al., 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.pretrained import Settings, normalised

if TYPE_CHECKING:
    import torch

Frame = NDArray[np.uint8]
Box = tuple[float, float, float, float]
Points = NDArray[np.float64]
"""`[K, 3]`: x, y in pixels, score."""
AROUND = 1.25
"""A crop's size over that of its box: what ViTPose was trained with."""
BATCH = 16
"""Crops in one pass."""


@dataclass(frozen=True)
class PoseModel:
    """A model of keypoints and how crops are prepared for it."""

    network: Any
    settings: Settings
    device: torch.device

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a crop."""
        size = self.settings["size"]
        return int(size["height"]), int(size["width"])


def find_keypoints(people: Sequence[tuple[Frame, Box]], model: PoseModel) -> list[Points]:
    """The keypoints of each person.

    Args:
        people: a frame `[H, W, 3]` and a box (left, top, right, bottom) in it, for each.
        model: of keypoints.
    """
    import torch

    found: list[Points] = []
    with torch.inference_mode():
        for start in range(0, len(people), BATCH):
            some = people[start : start + BATCH]
            regions = [region(box, model.size) for _, box in some]
            crops = np.stack(
                [crop(frame, place, model.size) for (frame, _), place in zip(some, regions, strict=True)]
            )
            pixels = torch.from_numpy(normalised(crops, model.settings).transpose(0, 3, 1, 2).copy())
            heat = _heatmaps(model, pixels.to(model.device))
            found += [decode(one, place) for one, place in zip(heat, regions, strict=True)]
    return found


def region(box: Box, size: tuple[int, int]) -> Box:
    """What a crop of `size` (height, width) shows of a picture: the box in its middle, its aspect."""
    left, top, right, bottom = box
    aspect = size[1] / size[0]
    width = max(right - left, (bottom - top) * aspect) * AROUND
    height = width / aspect
    middle = (left + right) / 2, (top + bottom) / 2
    return middle[0] - width / 2, middle[1] - height / 2, middle[0] + width / 2, middle[1] + height / 2


def crop(frame: Frame, place: Box, size: tuple[int, int]) -> NDArray[np.float32]:
    """A region of a frame `[H, W, 3]` as `[h, w, 3]` of 0 to 255; black beyond the picture."""
    import cv2

    height, width = size
    left, top, right, bottom = place
    across, down = (width - 1) / (right - left), (height - 1) / (bottom - top)
    matrix = np.array([[across, 0, -left * across], [0, down, -top * down]])
    return np.asarray(cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_LINEAR), np.float32)


def decode(heat: NDArray[np.float32], place: Box) -> Points:
    """The peaks of heatmaps `[K, h, w]` of a region as points of the picture: `[K, 3]`."""
    height, width = heat.shape[1:]
    left, top, right, bottom = place
    found = np.empty((len(heat), 3))
    for number, plane in enumerate(heat):
        row, column = divmod(int(plane.argmax()), width)
        x, y = _peak(plane, row, column)
        found[number] = (
            left + x * (right - left) / (width - 1),
            top + y * (bottom - top) / (height - 1),
            plane[row, column],
        )
    return found


def _peak(plane: NDArray[np.float32], row: int, column: int) -> tuple[float, float]:
    """Column and row of a peak between pixels, by the parabola through its neighbours' logarithms."""
    import cv2

    height, width = plane.shape
    if not (0 < row < height - 1 and 0 < column < width - 1):
        return float(column), float(row)
    near = cv2.GaussianBlur(plane, (3, 3), 0.8)[row - 1 : row + 2, column - 1 : column + 2]
    heights = np.log(np.clip(near, 1e-3, 50).astype(np.float64))
    across, down = (_offset(line) for line in (heights[1], heights[:, 1]))
    return column + across, row + down


def _offset(line: NDArray[np.float64]) -> float:
    before, middle, after = line
    bend = before - 2 * middle + after
    return 0.0 if bend >= -1e-9 else float(np.clip((before - after) / (2 * bend), -0.5, 0.5))


def _heatmaps(model: PoseModel, pixels: torch.Tensor) -> NDArray[np.float32]:
    """Heatmaps `[N, K, h, w]`; a model of several datasets answers as for its first, COCO."""
    import torch

    several = getattr(model.network.config.backbone_config, "num_experts", 1) > 1
    index = torch.zeros(len(pixels), dtype=torch.long, device=pixels.device) if several else None
    found = model.network(pixel_values=pixels, dataset_index=index).heatmaps
    return np.asarray(found.float().cpu().numpy(), np.float32)
