"""A model as one safetensors file in the original layout, as ComfyUI and the original code read it.

Of LTX-2 it holds every component that the layout has room for (`models/original/write.py`), of LTX-Video
transformer and video VAE; a text encoder lies in a file of its own there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ltx_core.models.component import Component
from ltx_core.models.export.ltxv import transformer_config, transformer_weights, vae_weights
from ltx_core.models.export.merge import watched
from ltx_core.models.export.model import entries
from ltx_core.models.original.write import WRITTEN, write_original
from ltx_core.store.tensors import write_tensors

LTXV_CLASS = "LTXVideoTransformer3DModel"


def parts_in_file(parts: Mapping[str, Component]) -> tuple[str, ...]:
    """Names of the components that one file takes."""
    taken = ("transformer", "vae") if _is_ltxv(parts) else WRITTEN
    return tuple(name for name in taken if name in parts)


def write_file(
    path: Path,
    parts: Mapping[str, Component],
    metadata: Mapping[str, str] | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> None:
    """Write a model's components into one new file, weight by weight.

    Args:
        path: of the file.
        parts: components by name, the transformer among them; those that have no place in the file are left
            out.
        metadata: further strings for the header.
        tell: gets the bytes of each weight when it is written.

    Raises:
        ModelError: when a component is damaged or has no form in the original layout.
        OSError, StoreError: when the disk does not take it.
    """
    taken = {name: watched(parts[name], tell) for name in parts_in_file(parts)}
    if not _is_ltxv(parts):
        write_original(path, taken, metadata)
        return
    weights = transformer_weights(taken["transformer"])
    if "vae" in taken:
        weights |= vae_weights(taken["vae"])
    config = json.dumps({"transformer": transformer_config(parts["transformer"].config)})
    write_tensors(path, entries(weights), {**(metadata or {}), "config": config, "format": "pt"})


def _is_ltxv(parts: Mapping[str, Component]) -> bool:
    return parts["transformer"].config.get("_class_name") == LTXV_CLASS
