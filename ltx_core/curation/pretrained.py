"""Models in the folders of transformers, and pictures prepared for them.

Design choices
- The library's own processors need torchvision; the arithmetic is small and is done here, by what the
  folder's `preprocessor_config.json` says. Tests compare it with the
  library's slow processors, number by number.
- A folder that lacks weights of its class is refused: the library would fill them with random numbers.
- Weights are float32: these models are small beside the base model, and their results do not depend on the
  precision that training runs in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.errors import LtxError

if TYPE_CHECKING:
    import torch

Settings = Mapping[str, Any]
CONFIG = "config.json"
PLACES = (
    ("preprocessor_config.json", ""),
    ("processor_config.json", "image_processor"),
    ("processor_config.json", "video_processor"),
    ("video_preprocessor_config.json", ""),
)
"""Files that say how pictures are prepared, and the key within."""
IMAGENET = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}


def open_model(folder: Path, classes: Mapping[str, str], device: torch.device) -> Any:
    """The model of a folder, ready to run.

    Args:
        folder: in the layout of transformers.
        classes: the class for each `model_type` that will do.
        device: where it runs.

    Raises:
        LtxError: when it is of another type, cannot be read, or lacks weights.
    """
    import transformers
    from safetensors import SafetensorError

    kind = str(_read(folder / CONFIG, folder).get("model_type"))
    if kind not in classes:
        raise LtxError(f"{folder} holds a {kind}; give the folder of one of {', '.join(classes)}")
    try:
        model, found = getattr(transformers, classes[kind]).from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype="float32"
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise LtxError(f"{folder} cannot be loaded as {classes[kind]}: {error}") from error
    if missing := sorted(found["missing_keys"]):
        raise LtxError(
            f"{folder} lacks {len(missing)} weights of {classes[kind]}, as {missing[0]}; get it anew"
        )
    return model.eval().requires_grad_(False).to(device)


def read_settings(folder: Path, defaults: Settings) -> Settings:
    """How pictures are prepared for the model of a folder.

    Raises:
        LtxError: when no file of it says so.
    """
    for name, key in PLACES:
        if (folder / name).is_file():
            found = _read(folder / name, folder)
            found = found.get(key, {}) if key else found
            if "size" in found or key == "":
                return {**defaults, **{name: value for name, value in found.items() if value is not None}}
    raise LtxError(f"{folder} has no preprocessor_config.json; get the whole folder")


def prepare(frames: NDArray[np.uint8], settings: Settings) -> torch.Tensor:
    """Frames `[F, H, W, 3]` as a model's input `[F, 3, h, w]` float32: resized, scaled, normalised."""
    import torch
    from PIL import Image

    height, width = input_size(frames.shape[1], frames.shape[2], settings)
    method = Image.Resampling(int(settings.get("resample", Image.Resampling.BILINEAR)))
    found = np.empty((len(frames), height, width, 3), np.float32)
    for number, frame in enumerate(frames):
        picture = Image.fromarray(np.ascontiguousarray(frame))
        if settings.get("do_resize", True):
            picture = picture.resize((width, height), method)
        found[number] = np.asarray(picture)
    return torch.from_numpy(np.ascontiguousarray(normalised(found, settings).transpose(0, 3, 1, 2)))


def normalised(pictures: NDArray[np.float32], settings: Settings) -> NDArray[np.float32]:
    """Pictures `[F, h, w, 3]` of 0 to 255 in the range that the model reads."""
    if settings.get("do_rescale", True):
        pictures = pictures * np.float32(settings.get("rescale_factor", 1 / 255))
    if settings.get("do_normalize", True):
        mean, std = (np.asarray(settings[name], np.float32) for name in ("image_mean", "image_std"))
        pictures = (pictures - mean) / std
    return np.asarray(pictures, np.float32)


def input_size(height: int, width: int, settings: Settings) -> tuple[int, int]:
    """Height and width that a picture is resized to."""
    if not settings.get("do_resize", True):
        return height, width
    size = settings["size"]
    scale = {"height": size["height"] / height, "width": size["width"] / width}
    if settings.get("keep_aspect_ratio"):  # the change that is nearer to none is taken for both
        both = min(scale.values(), key=lambda factor: abs(1 - factor))
        scale = {"height": both, "width": both}
    unit = int(settings.get("ensure_multiple_of") or 1)
    high = max(1, round(scale["height"] * height / unit)) * unit
    return high, max(1, round(scale["width"] * width / unit)) * unit


def _read(path: Path, folder: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LtxError(
            f"{folder} is no model's folder: {path.name} cannot be read ({error.strerror})"
        ) from error
    except ValueError as error:
        raise LtxError(f"{path} is no JSON ({error}); get the folder anew") from error
    if not isinstance(found, dict):
        raise LtxError(f"{path} does not hold a model's settings; get the folder anew")
    return found
