"""Names, types and shapes of a component's weights, from the headers of its safetensors files alone."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ltx_core.models.info import ModelError, ModelInfo
from ltx_core.models.names import runs_with, to_diffusers
from ltx_core.models.options import LoraOptions

INDEX_SUFFIX = ".safetensors.index.json"
LARGEST_HEADER = 100 << 20
"""Bytes beyond which a header is taken for damage (safetensors' own limit)."""


def weight_shapes(info: ModelInfo, component: str) -> Mapping[str, tuple[int, ...]]:
    """Shape of every weight of a component by name; nothing where the model has no such folder.

    Raises:
        ModelError: when a file is damaged.
    """
    stamps = [
        (path, path.stat().st_size, path.stat().st_mtime_ns) for path in weight_files(info.folder(component))
    ]
    return {name: shape for stamp in stamps for name, shape in _shapes(*stamp).items()}


def parameter_count(info: ModelInfo, component: str, parts: Collection[str] | None = None) -> int:
    """Numbers in a component's weights, or in those of its modules `parts`. Of a text encoder only the
    language model counts: the rest is not loaded onto the device."""
    shapes = weight_shapes(info, component)
    if parts is not None:
        shapes = {name: shape for name, shape in shapes.items() if name.split(".")[0] in parts}
    if component == "text_encoder":
        shapes = {name: shape for name, shape in shapes.items() if "vision" not in name} or shapes
    return sum(math.prod(shape) for shape in shapes.values())


def transformer_parameter_count(info: ModelInfo, modalities: Collection[str]) -> int:
    """Numbers in the transformer's weights that are loaded for these modalities."""
    shapes = weight_shapes(info, "transformer").items()
    return sum(math.prod(shape) for name, shape in shapes if runs_with(name, modalities))


def lora_parameter_count(info: ModelInfo, options: LoraOptions, modalities: Collection[str]) -> int:
    """Trainable numbers that `lora.add_lora` would add: rank x (inputs + outputs) of each layer."""
    targets = [to_diffusers(target) for target in options.target_modules]
    total = 0
    for name, shape in weight_shapes(info, "transformer").items():
        module, _, kind = name.rpartition(".")
        linear = kind == "weight" and len(shape) == 2 and runs_with(module, modalities)
        if linear and any(module == target or module.endswith("." + target) for target in targets):
            total += options.rank * sum(shape)
    return total


def file_metadata(path: Path) -> dict[str, str]:
    """The strings in the header of a safetensors file: of a LoRA, or of a transformer that was trained whole.

    Raises:
        ModelError: when the file is missing or damaged.
    """
    return dict(_header(path).get("__metadata__", {}))


def weight_files(folder: Path) -> list[Path]:
    """The files of a component that are loaded: those of the index where there is one, else all."""
    for index in sorted(folder.glob(f"*{INDEX_SUFFIX}")):
        names = json.loads(index.read_bytes()).get("weight_map", {}).values()
        return sorted({folder / name for name in names if (folder / name).is_file()})
    return sorted(folder.glob("*.safetensors"))


@lru_cache(maxsize=256)
def _shapes(path: Path, size: int, mtime_ns: int) -> dict[str, tuple[int, ...]]:
    header = _header(path)
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def _header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as handle:
            length, size = int.from_bytes(handle.read(8), "little"), path.stat().st_size
            if not 0 < length <= min(LARGEST_HEADER, size):
                raise ValueError(f"a header of {length} bytes in a file of {size}")
            header: dict[str, Any] = json.loads(handle.read(length))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged ({error}); get the file again") from error
    return header
