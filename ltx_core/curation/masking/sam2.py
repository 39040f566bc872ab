"""sam2: one object, cut out in a frame and followed through the clip by SAM 2 (Ravi et al., 2024).

Where it is pointed at: `prompt` says. The clip is followed forward and backward from the frame of the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from ltx_core.curation import detecting
from ltx_core.curation.detecting import Detector
from ltx_core.curation.kinds import Folders, Kind, ModelOption, Work
from ltx_core.curation.masking.moving import MovingOptions, find_moving
from ltx_core.curation.masking.target import Frames, Mask, Target
from ltx_core.curation.pretrained import IMAGENET, Settings, open_model, prepare, read_settings
from ltx_core.media.errors import MediaError

if TYPE_CHECKING:
    import torch

DEFAULT = "facebook/sam2.1-hiera-small"
CLASSES = {"sam2_video": "Sam2VideoModel"}
SETTINGS = {**IMAGENET, "size": {"height": 1024, "width": 1024}, "resample": 2}
Share = Annotated[float, Ge(0), Le(1)]
INSIDE, TOP_LEFT, BOTTOM_RIGHT = 1, 2, 3
"""SAM's labels of points: within the object, and the corners of its box."""


@dataclass(frozen=True)
class Sam2Options:
    """An object.

    Attributes:
        model: folder or hub repository of a SAM 2 video model.
        prompt: the `centre` of the first frame, a `point` or a `box` in it, the largest thing that moves by
            itself (`moving`), or the surest object of a detector (`detect`).
        point: x and y as shares of width and height.
        box: left, top, right, bottom likewise.
        detector: folder or hub repository of an RT-DETR model, for `detect`.
        label: the class of objects that `detect` looks for, as the detector calls it; "" for any.
        sure: score from which a detected object counts.
    """

    model: str | None = None
    prompt: Literal["centre", "point", "box", "moving", "detect"] = "centre"
    point: tuple[Share, Share] | None = None
    box: tuple[Share, Share, Share, Share] | None = None
    detector: str | None = None
    label: str = ""
    sure: Annotated[float, Ge(0), Le(1)] = 0.5


@dataclass(frozen=True)
class Sam2:
    """The models."""

    network: Any
    settings: Settings
    device: torch.device
    detector: Detector | None


@dataclass(frozen=True)
class Prompt:
    """Points `(x, y, label)` in pixels of one frame."""

    frame: int
    points: tuple[tuple[float, float, int], ...]


class Prepared(Mapping[int, Any]):
    """A clip's frames as the model's input, each made when it is asked for: whole clips take gigabytes."""

    def __init__(self, frames: Frames, settings: Settings) -> None:
        self.frames, self.settings = frames, settings

    def __getitem__(self, number: int) -> torch.Tensor:
        return prepare(self.frames[number : number + 1], self.settings)[0]

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.frames)))

    def __len__(self) -> int:
        return len(self.frames)


def load(folders: Folders, device: torch.device) -> Sam2:
    """The models of their folders.

    Raises:
        LtxError: when one cannot be read.
    """
    folder, detector = folders["model"], folders.get("detector")
    network, settings = open_model(folder, CLASSES, device), read_settings(folder, SETTINGS)
    return Sam2(network, settings, device, None if detector is None else Detector.open(detector, device))


def follow(frames: Frames, prompt: Prompt, model: Sam2) -> NDArray[np.bool_]:
    """Where the object is in frames `[F, H, W, 3]`: `[F, H, W]`."""
    import torch

    session = _session(frames, prompt, model)
    found = np.zeros(frames.shape[:3], bool)
    with torch.inference_mode():
        for backward in (False, True):
            for one in model.network.propagate_in_video_iterator(
                session, start_frame_idx=prompt.frame, reverse=backward
            ):
                logits = torch.nn.functional.interpolate(
                    one.pred_masks.float(), size=frames.shape[1:3], mode="bilinear", align_corners=False
                )
                found[one.frame_idx] = (logits[0, 0] > 0).cpu().numpy()
    return found


def find_prompt(frames: Frames, options: Sam2Options, detector: Detector | None) -> Prompt:
    """Where the object is pointed at in frames `[F, H, W, 3]`.

    Raises:
        MediaError: when nothing moves, or the detector finds nothing.
    """
    height, width = frames.shape[1:3]
    if options.prompt == "moving":
        return _moving(frames)
    if options.prompt == "detect" and detector is not None:
        return _detected(frames, options, detector)
    if options.prompt == "box" and options.box is not None:
        left, top, right, bottom = options.box
        return _boxed(0, (left * width, top * height, right * width, bottom * height))
    x, y = options.point if options.prompt == "point" and options.point is not None else (0.5, 0.5)
    return Prompt(0, ((x * width, y * height, INSIDE),))


def _session(frames: Frames, prompt: Prompt, model: Sam2) -> Any:
    import torch
    from transformers import Sam2VideoInferenceSession

    height, width = frames.shape[1:3]
    session = Sam2VideoInferenceSession(
        video_height=height, video_width=width, inference_device=model.device, dtype=torch.float32
    )
    session.processed_frames = Prepared(frames, model.settings)
    size = model.settings["size"]
    across, down = size["width"] / width, size["height"] / height
    places = [[[[x * across, y * down] for x, y, _ in prompt.points]]]
    labels = [[[label for *_, label in prompt.points]]]
    thing = session.obj_id_to_idx(1)
    inputs = {"point_coords": torch.tensor(places), "point_labels": torch.tensor(labels, dtype=torch.int32)}
    session.add_point_inputs(thing, prompt.frame, inputs)
    session.obj_with_new_inputs = [1]
    with torch.inference_mode():
        model.network(session, frame_idx=prompt.frame)
    return session


def _boxed(frame: int, box: tuple[float, float, float, float]) -> Prompt:
    left, top, right, bottom = box
    return Prompt(frame, ((left, top, TOP_LEFT), (right, bottom, BOTTOM_RIGHT)))


def _moving(frames: Frames) -> Prompt:
    """The box of the largest thing that moves, in the frame in which it is largest."""
    import cv2

    best = (0, 0, (0, 0, 0, 0))
    for number, plane in enumerate(find_moving(frames, MovingOptions())):
        _, _, stats, _ = cv2.connectedComponentsWithStats(plane.astype(np.uint8))
        for left, top, width, height, area in stats[1:].tolist():
            best = max(best, (area, -number, (left, top, left + width, top + height)))
    return _boxed(-best[1], best[2])


def _detected(frames: Frames, options: Sam2Options, detector: Detector) -> Prompt:
    """The surest object of the first frame that shows one."""
    for number in range(len(frames)):
        (found,) = detector.find(frames[number : number + 1], options.label, options.sure, 1)
        if found:
            return _boxed(number, found[0].box)
    what = options.label or "object"
    raise MediaError(f"the detector finds no {what} of score {options.sure:g} or more in any frame")


def _make(target: Target, options: Sam2Options, work: Work) -> Mask:
    frames = target.pixels()
    prompt = find_prompt(frames, options, work.model.detector)
    found = follow(frames, prompt, work.model)
    if not found.any():
        raise MediaError(f"SAM 2 finds no object at the prompt ({options.prompt})")
    return np.asarray(~found, np.float32)


def _check(options: Sam2Options) -> None:
    for name in ("point", "box"):
        if options.prompt == name and getattr(options, name) is None:
            raise ValueError(
                f"sam2: prompt is {name}, and no {name} is stated; give it as shares of width and height"
            )
    if options.box is not None and not (options.box[0] < options.box[2] and options.box[1] < options.box[3]):
        raise ValueError(f"sam2: box is {list(options.box)}; write left, top, right, bottom, in this order")


SAM2 = Kind(
    "sam2",
    "one object, pointed at by `prompt` and followed by SAM 2",
    Sam2Options,
    _make,
    models=(
        ModelOption("model", DEFAULT),
        ModelOption("detector", detecting.DEFAULT, lambda options: options.prompt == "detect"),
    ),
    load=load,
    check=_check,
)
