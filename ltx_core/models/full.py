"""Full training: every weight of the modalities that run learns; the product is a transformer's whole folder.

Design choices
- Weights are float32 while they learn, whatever the base's type; autocast computes in the configured one.
- The folder is that of diffusers (`config.json` and one safetensors file), complete: what was not loaded for
  the mode is taken over from where the training began. So it stands wherever the base's folder stands.
- Files are written and read weight by weight: no second copy of the model is ever held.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ltx_core.models.headers import weight_files
from ltx_core.models.info import ModelError
from ltx_core.models.names import runs_with, to_diffusers
from ltx_core.store.tensors import Entry, write_tensors

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
"""Files of a product's folder; diffusers' names."""
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "")
"""Prefixes of names that are taken off: of original checkpoints, of LoRA tools, of pipelines, none."""


@dataclass(frozen=True)
class Stored:
    """A weight in a file.

    Attributes:
        file: the safetensors file.
        key: its name there.
        shape: of the tensor.
    """

    file: Path
    key: str
    shape: tuple[int, ...]

    def read(self) -> Tensor:
        """The tensor."""
        with safe_open(self.file, "pt") as handle:
            found: Tensor = handle.get_tensor(self.key)
        return found


def train_all(transformer: nn.Module, modalities: Collection[str]) -> None:
    """Let every weight learn that runs with these modalities; the rest stays frozen."""
    for name, parameter in transformer.named_parameters():
        parameter.requires_grad_(runs_with(name, modalities))


def save_full(
    folder: Path,
    transformer: Any,
    origins: Sequence[Path],
    metadata: Mapping[str, str],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write the product into the new folder `folder`; the caller syncs it and gives it its name.

    Args:
        folder: where.
        transformer: with the weights that were loaded.
        origins: where the training began, the last one the base's folder: a weight that was not loaded is
            taken from the first that has it.
        metadata: strings for the header.
        dtype: of all weights.

    Raises:
        ModelError: when an origin cannot be read.
        OSError: when the disk does not take it.
    """
    known: dict[str, Stored] = {}
    for origin in reversed(origins):
        known |= stored_weights(origin)
    names = stored_weights(origins[-1])
    live = dict(transformer.named_parameters())
    entries = [
        Entry.of(name, live[name], dtype)
        if name in live
        else Entry(name, known[name].shape, dtype, known[name].read)
        for name in names
    ]
    folder.mkdir(parents=True)
    shutil.copyfile(origins[-1] / CONFIG, folder / CONFIG)
    write_tensors(folder / WEIGHTS, entries, {**metadata, "format": "pt"})


def stored_weights(path: Path) -> dict[str, Stored]:
    """The weights of a transformer's folder or of one safetensors file, by diffusers' name.

    Raises:
        ModelError: when it cannot be read, or is a LoRA.
    """
    found = {}
    try:
        for file in weight_files(path) if path.is_dir() else [path]:
            with safe_open(file, "pt") as handle:
                for key in handle.keys():  # noqa: SIM118  # no mapping: it has no other way to list names
                    prefix = next(known for known in PREFIXES if key.startswith(known))
                    shape = tuple(handle.get_slice(key).get_shape())
                    found[to_diffusers(key.removeprefix(prefix))] = Stored(file, key, shape)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path} cannot be read as a transformer ({error}); give a .safetensors file"
        ) from error
    if any(".lora_" in name for name in found):
        raise ModelError(
            f"{path} is a LoRA; full training begins from a whole transformer. Use `training_mode: lora`, or "
            "leave `load_checkpoint` out"
        )
    return found


@torch.no_grad()
def load_full(transformer: nn.Module, path: Path) -> None:
    """Put the weights of a folder or file into the transformer, which keeps its type and what learns.

    Raises:
        ModelError: when it cannot be read, or does not fit the transformer; then nothing is changed.
    """
    stored, live = stored_weights(path), dict(transformer.named_parameters())
    for name, parameter in live.items():
        if name not in stored or stored[name].shape != tuple(parameter.shape):
            found = f"is {stored[name].shape}" if name in stored else "is not there"
            raise ModelError(
                f"{path} does not fit this model: {name} {found}, it must be {tuple(parameter.shape)}; use "
                "the base model that it was trained from"
            )
    for file in {stored[name].file for name in live}:
        with safe_open(file, "pt") as handle:
            for name, parameter in live.items():
                if stored[name].file == file:
                    parameter.copy_(handle.get_tensor(stored[name].key))


@contextmanager
def swapped(transformer: nn.Module, other: Path, own: Path) -> Iterator[None]:
    """Inside the block the transformer has the weights of `other`, then again `own`; both are read anew."""
    try:
        load_full(transformer, other)
        yield
    finally:
        load_full(transformer, own)
