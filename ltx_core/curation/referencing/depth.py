"""depth: how near everything is, white is near, by a model of single frames or a function.

Each frame is estimated at the model's own size; `steady.py` says how a clip's frames are made comparable. The
relative depth of Depth Anything V2 is larger where things are nearer; a model of metric depth gives
metres, which are inverted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray

from ltx_core.curation.functions import call, check_path, described
from ltx_core.curation.kinds import Folders, Kind, ModelOption, Work
from ltx_core.curation.pretrained import IMAGENET, Settings, open_model, prepare, read_settings
from ltx_core.curation.referencing.steady import Depth, steady
from ltx_core.errors import LtxError

if TYPE_CHECKING:
    import torch

Frames = NDArray[np.uint8]
DEFAULT = "depth-anything/Depth-Anything-V2-Small-hf"
CLASSES = {"depth_anything": "DepthAnythingForDepthEstimation"}
SETTINGS = {
    **IMAGENET,
    "size": {"height": 518, "width": 518},
    "ensure_multiple_of": 14,
    "keep_aspect_ratio": True,
    "resample": 3,
}
"""What Depth Anything's folders say; for what one leaves out."""
BATCH = 8
"""Frames in one pass."""
NEAREST_M = 0.05
"""Metres; what a metric model puts nearer counts as so near."""


@dataclass(frozen=True)
class DepthOptions:
    """Depth.

    Attributes:
        model: folder or hub repository of a Depth Anything model.
        function: instead of a model, `package.module:function` that makes depth `[F, h, w]` (larger is
            nearer, any scale) of frames `[F, H, W, 3]`.
        outliers, smoothing, median: see `steady`.
    """

    model: str | None = None
    function: str = ""
    outliers: Annotated[float, Ge(0), Lt(50)] = 2.0
    smoothing: Annotated[float, Ge(0), Lt(1)] = 0.8
    median: bool = False


@dataclass(frozen=True)
class DepthModel:
    """A model and how pictures are prepared for it."""

    network: Any
    settings: Settings
    device: torch.device

    @property
    def metric(self) -> bool:
        """Whether it gives metres."""
        return bool(self.network.config.depth_estimation_type == "metric")


def load(folders: Folders, device: torch.device) -> DepthModel | None:
    """The model; None where a function makes the depth."""
    folder = folders.get("model")
    if folder is None:
        return None
    return DepthModel(open_model(folder, CLASSES, device), read_settings(folder, SETTINGS), device)


def estimate(frames: Frames, model: DepthModel) -> Depth:
    """Depth of each frame by itself, larger is nearer: `[F, h, w]` at the model's size."""
    import torch

    found = []
    with torch.inference_mode():
        for start in range(0, len(frames), BATCH):
            pixels = prepare(frames[start : start + BATCH], model.settings).to(model.device)
            found.append(model.network(pixel_values=pixels).predicted_depth.float().cpu().numpy())
    depth = np.concatenate(found)
    return np.asarray(1 / np.maximum(depth, NEAREST_M) if model.metric else depth, np.float32)


def depth_of_function(path: str, frames: Frames) -> Depth:
    """Depth `[F, h, w]` by a user's function.

    Raises:
        LtxError: when it fails, or returns anything else.
    """
    found = call(path, frames)
    numbers = isinstance(found, np.ndarray) and found.dtype.kind in "fiu"
    if numbers and found.ndim == 3 and len(found) == len(frames) and bool(np.isfinite(found).all()):
        return np.asarray(found, np.float32)
    raise LtxError(
        f"{path} returned {described(found)}; depth of {len(frames)} frames is an array "
        f"[{len(frames)}, h, w] of finite numbers, larger where things are nearer"
    )


def depth_pictures(depth: Depth, width: int, height: int) -> Frames:
    """Depth `[F, h, w]` in [0, 1] as frames `[F, height, width, 3]`, white is near."""
    import cv2

    found = np.empty((len(depth), height, width, 3), np.uint8)
    for number, plane in enumerate(depth):
        full = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
        found[number] = np.rint(full * 255)[..., None]
    return found


def _make(frames: Frames, options: DepthOptions, work: Work) -> Frames:
    own = options.function
    depth = depth_of_function(own, frames) if own else estimate(frames, work.model)
    even = steady(depth, options.outliers, options.smoothing, options.median)
    return depth_pictures(even, frames.shape[2], frames.shape[1])


def _check(options: DepthOptions) -> None:
    if options.function:
        check_path("function", options.function)
        if options.model is not None:
            raise ValueError("depth: model and function are both stated; leave one of them out")


DEPTH = Kind(
    "depth",
    "how near everything is, white is near; by Depth Anything, or by a `function` of yours",
    DepthOptions,
    _make,
    models=(ModelOption("model", DEFAULT, lambda options: not options.function),),
    load=load,
    check=_check,
    function="function",
)
