"""Objects of a picture as boxes, by RT-DETR: what a pose is looked for in, and what a mask begins with.

Source: "DETRs Beat YOLOs on Real-time Object Detection" (Zhao et al., 2024); the scores are sigmoids of the
class logits, the boxes centre and size as shares of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.pretrained import IMAGENET, Settings, open_model, prepare, read_settings
from ltx_core.errors import LtxError

if TYPE_CHECKING:
    import torch

Frames = NDArray[np.uint8]
DEFAULT = "PekingU/rtdetr_v2_r18vd"
CLASSES = {
    "rt_detr": "RTDetrForObjectDetection",
    "rt_detr_v2": "RTDetrV2ForObjectDetection",
    "d_fine": "DFineForObjectDetection",
}
SETTINGS = {**IMAGENET, "size": {"height": 640, "width": 640}, "resample": 2, "do_normalize": False}
BATCH = 8
"""Frames in one pass."""


@dataclass(frozen=True)
class Found:
    """One object: its box (left, top, right, bottom) in pixels, and how sure the model is."""

    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True)
class Detector:
    """A model of objects."""

    network: Any
    settings: Settings
    device: torch.device
    folder: Path

    @classmethod
    def open(cls, folder: Path, device: torch.device) -> Detector:
        """The model of a folder.

        Raises:
            LtxError: when it is none.
        """
        return cls(open_model(folder, CLASSES, device), read_settings(folder, SETTINGS), device, folder)

    def find(self, frames: Frames, label: str, least: float, most: int) -> Iterator[list[Found]]:
        """The objects of each frame of `[F, H, W, 3]`, surest first.

        Args:
            frames: uint8.
            label: their class, as the model calls it; "" for any.
            least: score below which none counts.
            most: objects of one frame.

        Raises:
            LtxError: when the model knows no such class.
        """
        import torch

        number = None if not label else self._number(label)
        with torch.inference_mode():
            for start in range(0, len(frames), BATCH):
                pixels = prepare(frames[start : start + BATCH], self.settings).to(self.device)
                found = self.network(pixel_values=pixels)
                scores = found.logits.float().sigmoid().cpu().numpy()
                boxes = found.pred_boxes.float().cpu().numpy()
                for one, places in zip(scores, boxes, strict=True):
                    sure = one.max(axis=1) if number is None else one[:, number]
                    yield _picked(sure, _pixels(places, frames.shape[2], frames.shape[1]), least, most)

    def _number(self, label: str) -> int:
        known: dict[int, str] = self.network.config.id2label
        for number, name in known.items():
            if name.lower() == label.lower():
                return int(number)
        some = ", ".join(list(known.values())[:8])
        raise LtxError(
            f"{self.folder} knows no {label!r}, but {some}, …; give the folder of a detector that does"
        )


def _pixels(places: NDArray[np.float32], width: int, height: int) -> NDArray[np.float64]:
    """Boxes `[N, 4]` of centre and size as shares -> left, top, right, bottom in pixels."""
    middle, half = places[:, :2].astype(np.float64), places[:, 2:].astype(np.float64) / 2
    corners = np.concatenate([middle - half, middle + half], axis=1) * (width, height, width, height)
    return np.asarray(np.clip(corners, 0, (width, height, width, height)), np.float64)


def _picked(scores: NDArray[np.float32], boxes: NDArray[np.float64], least: float, most: int) -> list[Found]:
    order = np.argsort(-scores, kind="stable")[:most]
    chosen = [(scores[n], boxes[n]) for n in order if scores[n] >= least]
    sized = [(score, box) for score, box in chosen if box[2] > box[0] and box[3] > box[1]]
    return [Found((*map(float, box),), float(score)) for score, box in sized]  # type: ignore[arg-type]
