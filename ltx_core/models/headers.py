"""Counts of a component's weights, from the headers of its safetensors files alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from ltx_core.models.info import ModelInfo
from ltx_core.models.lora.shapes import adapter_count
from ltx_core.models.lora.targets import linear_names, plan_adapters
from ltx_core.models.names import runs_with
from ltx_core.models.options import LoraOptions


def weight_shapes(info: ModelInfo, component: str) -> Mapping[str, tuple[int, ...]]:
    """Shape of every weight of a component by name; nothing where the model has no such component.

    Raises:
        ModelError: when a file is damaged.
    """
    if component not in info.parts:
        return {}
    return {name: stored.shape for name, stored in info.parts[component].weights.items()}


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


def lora_parameter_count(
    info: ModelInfo, options: LoraOptions, modalities: Collection[str], frozen: Collection[str] = ()
) -> int:
    """Trainable numbers that `lora.add_lora` would add.

    Raises:
        ModelError: when a target or pattern means no layer that may learn.
    """
    shapes = weight_shapes(info, "transformer")
    return adapter_count(options, plan_adapters(linear_names(shapes), options, modalities, frozen), shapes)
