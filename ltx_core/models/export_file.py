"""A model as one safetensors file in the original layout, as ComfyUI and the original code read it.

Design choices
- LTX-2: every component that the layout has room for (`original_write`); a text encoder lies in a file of its
  own there. LTX-Video: the transformer, which ComfyUI takes beside a VAE of its own and `from_single_file` of
  the library's transformer reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ltx_core.models.component import Component
from ltx_core.models.export_model import entries
from ltx_core.models.merge import watched
from ltx_core.models.names import to_original
from ltx_core.models.original_write import WRITTEN, write_original
from ltx_core.store.tensors import write_tensors

PREFIX = "model.diffusion_model."
"""In front of the names of a checkpoint's transformer."""
LTXV_CLASS = "LTXVideoTransformer3DModel"
LTXV_CONFIG = {
    "_class_name": "Transformer3DModel",
    "attention_type": "default",
    "double_self_attention": False,
    "dropout": 0.0,
    "norm_num_groups": 32,
    "num_embeds_ada_norm": 1000,
    "only_cross_attention": False,
    "positional_embedding_max_pos": [20, 2048, 2048],
    "positional_embedding_theta": 10000.0,
    "positional_embedding_type": "rope",
    "project_to_2d_pos": True,
    "standardization_norm": "rms_norm",
    "timestep_scale_multiplier": 1000,
    "upcast_attention": False,
    "use_linear_projection": False,
}
"""What an original config says and diffusers' class has built in."""
LTXV_TAKEN = {
    "activation_fn": "gelu-approximate",
    "attention_bias": True,
    "attention_head_dim": 64,
    "caption_channels": 4096,
    "cross_attention_dim": 2048,
    "in_channels": 128,
    "norm_elementwise_affine": False,
    "norm_eps": 1e-6,
    "num_attention_heads": 32,
    "num_layers": 28,
    "out_channels": 128,
}
"""What both say alike, with the class's defaults."""


def parts_in_file(parts: Mapping[str, Component]) -> tuple[str, ...]:
    """Names of the components that one file takes."""
    if _is_ltxv(parts["transformer"]):
        return ("transformer",)
    return tuple(name for name in WRITTEN if name in parts)


def write_file(
    path: Path,
    parts: Mapping[str, Component],
    version: str,
    metadata: Mapping[str, str] | None = None,
    tell: Callable[[int], None] = lambda _: None,
    only: Collection[str] | None = None,
) -> None:
    """Write a model's components into one new file, weight by weight.

    Args:
        path: of the file.
        parts: components by name, the transformer among them; those that have no place in the file are left
            out.
        version: of the model, for the header.
        metadata: further strings for the header.
        tell: gets the bytes of each weight when it is written.
        only: names of the components that are written; None: all that the file takes.

    Raises:
        ModelError: when a component is damaged or has no form in the original layout.
        OSError, StoreError: when the disk does not take it.
    """
    names = [name for name in parts_in_file(parts) if only is None or name in only]
    if not _is_ltxv(parts["transformer"]):
        write_original(path, {name: watched(parts[name], tell) for name in names}, metadata)
        return
    part = watched(parts["transformer"], tell)
    weights = {PREFIX + to_original(name): stored for name, stored in part.weights.items()}
    header = {"config": json.dumps({"transformer": ltxv_config(part.config)}), "model_version": version}
    write_tensors(path, entries(weights), {**(metadata or {}), **header, "format": "pt"})


def ltxv_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The original config of an LTX-Video transformer."""
    own = {name: config.get(name, default) for name, default in LTXV_TAKEN.items()}
    return {**LTXV_CONFIG, **own, "qk_norm": "rms_norm"}


def _is_ltxv(transformer: Component) -> bool:
    return transformer.config.get("_class_name") == LTXV_CLASS
