"""Full training: every weight of the modalities that run learns; the product is a transformer's whole folder.

Design choices
- Weights are float32 while they learn, whatever the base's type; autocast computes in the configured one.
- The folder is that of diffusers (`config.json` and one safetensors file), complete: what was not loaded for
  the mode is taken over from where the training began. So it stands wherever the base's folder stands.
- Files are written and read weight by weight: no second copy of the model is ever held.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.folder import folder_component, folder_weights
from ltx_core.models.names import is_adapter, learns, to_diffusers
from ltx_core.models.partial import each_weight
from ltx_core.models.safetensors_file import stored_in
from ltx_core.store.tensors import Entry, write_tensors

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
"""Files of a product's folder; diffusers' names."""
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "")
"""Prefixes of names that are taken off: of original checkpoints, of LoRA tools, of pipelines, none."""


def train_all(transformer: nn.Module, modalities: Collection[str], frozen: Collection[str] = ()) -> None:
    """Let every weight learn that runs with these modalities; the rest, and that of `frozen`, stays."""
    for name, parameter in transformer.named_parameters():
        parameter.requires_grad_(learns(name, modalities, frozen))


def save_full(
    folder: Path,
    transformer: Any,
    origins: Sequence[Path | Component],
    metadata: Mapping[str, str],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write the product into the new folder `folder`; the caller syncs it and gives it its name.

    Args:
        folder: where.
        transformer: with the weights that were loaded.
        origins: where the training began, the last one the base: a weight that was not loaded is taken from
            the first that has it.
        metadata: strings for the header.
        dtype: of all weights.

    Raises:
        ModelError: when an origin cannot be read.
        OSError: when the disk does not take it.
    """
    known: dict[str, Stored] = {}
    for origin in reversed(origins):
        known |= stored_weights(origin)
    base = _component(origins[-1])
    names = stored_weights(base)
    live = dict(transformer.named_parameters())
    entries = [
        Entry.of(name, live[name], dtype)
        if name in live
        else Entry(name, known[name].shape, dtype, known[name].read)
        for name in names
    ]
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text(json.dumps(base.config, indent=2, sort_keys=True) + "\n")
    write_tensors(folder / WEIGHTS, entries, {**metadata, "format": "pt"})


def stored_weights(source: Path | Component) -> dict[str, Stored]:
    """The weights of a transformer, its folder or one safetensors file, by diffusers' name.

    Raises:
        ModelError: when it cannot be read, or is a LoRA.
    """
    if isinstance(source, Component):
        return dict(source.weights)
    stored = folder_weights(source) if source.is_dir() else stored_in(source)
    found = {}
    for key, weight in stored.items():
        prefix = next(known for known in PREFIXES if key.startswith(known))
        found[to_diffusers(key.removeprefix(prefix))] = weight
    if any(map(is_adapter, found)):
        raise ModelError(
            f"{source} is a LoRA; full training begins from a whole transformer. Use `training_mode: lora`, "
            "or leave `load_checkpoint` out"
        )
    return found


@torch.no_grad()
def load_full(transformer: nn.Module, source: Path | Component) -> None:
    """Put the weights of a component, folder or file into the transformer; its type and what learns stay.

    Raises:
        ModelError: when it cannot be read, or does not fit the transformer; then nothing is changed.
    """
    stored, live = stored_weights(source), dict(transformer.named_parameters())
    for name, parameter in live.items():
        if name not in stored or stored[name].shape != tuple(parameter.shape):
            found = f"is {stored[name].shape}" if name in stored else "is not there"
            raise ModelError(
                f"{place_of(source)} does not fit this model: {name} {found}, it must be "
                f"{tuple(parameter.shape)}; use the base model that it was trained from"
            )
    for name, tensor in each_weight({name: stored[name] for name in live}):
        live[name].copy_(tensor)


@contextmanager
def swapped(transformer: nn.Module, other: Path | Component, own: Path | Component) -> Iterator[None]:
    """Inside the block the transformer has the weights of `other`, then again `own`; both are read anew."""
    try:
        load_full(transformer, other)
        yield
    finally:
        load_full(transformer, own)


def place_of(source: Path | Component) -> Path:
    """Where it lies, for messages."""
    return source.place if isinstance(source, Component) else source


def _component(source: Path | Component) -> Component:
    return source if isinstance(source, Component) else folder_component("transformer", source)
