"""pose: the skeletons of people in colours on black, by ViTPose in the boxes of a person detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from ltx_core.curation import detecting
from ltx_core.curation.detecting import Detector
from ltx_core.curation.kinds import Folders, Kind, ModelOption, Work
from ltx_core.curation.pretrained import IMAGENET, open_model, read_settings
from ltx_core.curation.referencing.keypoints import Box, Frame, PoseModel, find_keypoints
from ltx_core.curation.referencing.skeleton import POINTS, draw_people
from ltx_core.errors import LtxError

if TYPE_CHECKING:
    import torch

Frames = NDArray[np.uint8]
DEFAULT = "usyd-community/vitpose-base-simple"
CLASSES = {"vitpose": "VitPoseForPoseEstimation"}
SETTINGS = {**IMAGENET, "size": {"height": 256, "width": 192}}
PERSON = "person"
"""What COCO's detectors call people."""


@dataclass(frozen=True)
class PoseOptions:
    """Poses.

    Attributes:
        model: folder or hub repository of a ViTPose model of COCO's keypoints.
        detector: folder or hub repository of an RT-DETR model that knows people.
        boxes: `detect` people, or take the `whole` picture for one person's box; then no detector is needed.
        people: skeletons in one frame, at most.
        sure: score from which a person counts.
        seen: score from which a keypoint is drawn.
    """

    model: str | None = None
    detector: str | None = None
    boxes: Literal["detect", "whole"] = "detect"
    people: Annotated[int, Ge(1)] = 8
    sure: Annotated[float, Ge(0), Le(1)] = 0.5
    seen: Annotated[float, Ge(0), Le(1)] = 0.3


@dataclass(frozen=True)
class PoseModels:
    """Both models; they work on one clip together."""

    keypoints: PoseModel
    detector: Detector | None


def load(folders: Folders, device: torch.device) -> PoseModels:
    """The models.

    Raises:
        LtxError: when one cannot be read, or is of other keypoints.
    """
    folder = folders["model"]
    network = open_model(folder, CLASSES, device)
    if network.config.num_labels != POINTS:
        raise LtxError(
            f"{folder} finds {network.config.num_labels} keypoints; skeletons are drawn of COCO's {POINTS}: "
            "give a ViTPose model of these, or make yours with kind function"
        )
    model = PoseModel(network, read_settings(folder, SETTINGS), device)
    detector = folders.get("detector")
    return PoseModels(model, None if detector is None else Detector.open(detector, device))


def poses(frames: Frames, options: PoseOptions, models: PoseModels) -> Frames:
    """Skeletons of each frame: uint8 `[F, H, W, 3]` from uint8 `[F, H, W, 3]`."""
    height, width = frames.shape[1:3]
    boxes = _boxes(frames, options, models.detector)
    listed: list[tuple[Frame, Box]] = [
        (frame, box) for frame, own in zip(frames, boxes, strict=True) for box in own
    ]
    points = iter(find_keypoints(listed, models.keypoints))
    # The surest is drawn last, in front of the others.
    drawn = [draw_people([next(points) for _ in own][::-1], height, width, options.seen) for own in boxes]
    return np.stack(drawn)


def _boxes(frames: Frames, options: PoseOptions, detector: Detector | None) -> list[list[Box]]:
    if detector is None:
        return [[(0.0, 0.0, float(frames.shape[2]), float(frames.shape[1]))] for _ in frames]
    found = detector.find(frames, PERSON, options.sure, options.people)
    return [[one.box for one in people] for people in found]


def _make(frames: Frames, options: PoseOptions, work: Work) -> Frames:
    return poses(frames, options, work.model)


POSE = Kind(
    "pose",
    "skeletons of people, coloured on black, by ViTPose",
    PoseOptions,
    _make,
    models=(
        ModelOption("model", DEFAULT),
        ModelOption("detector", detecting.DEFAULT, lambda options: options.boxes == "detect"),
    ),
    load=load,
)
