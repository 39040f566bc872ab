"""Write components in the original layout: one unified file, or the files of a split pack.

Design choices
- What is written is read back before a byte goes to disk: a component that the original's words cannot
  describe is refused, so no file is ever written that a reader would take for another model.
- Weights are read and written one by one; only headers and one tensor are in memory.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.original.checkpoint import ASSET_KEY, PROJECTION, TOKENIZER_FILES, VAE
from ltx_core.models.original.describe import WRITTEN, filled, original_config, original_names
from ltx_core.models.original.names import turned
from ltx_core.store.tensors import NAMES, Entry, save_tensors

__all__ = ["WRITTEN", "write_original", "write_split_pack", "write_text_encoder"]

TYPES = {name: dtype for dtype, name in NAMES.items()}
PACK = {
    "transformer": ("transformer", "connectors"),
    "video_vae": ("vae",),
    "audio_vae": ("audio_vae", "vocoder"),
}
"""File of a split pack -> its components; the text encoder's file has the projections beside."""


def write_original(
    path: Path,
    parts: Mapping[str, Component],
    metadata: Mapping[str, str] | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Write components into one unified file.

    Args:
        path: of the new file.
        parts: components by name; those of `WRITTEN` are taken. A transformer that was trained is given as
            the component of its folder.
        metadata: strings for the header beside `config` and `model_version`.
        dtype: of all weights; None: each as it is stored.

    Raises:
        ModelError: when a component cannot be read or has no form in the original layout.
        StoreError: when the disk does not take it.
    """
    chosen = {name: parts[name] for name in WRITTEN if name in parts}
    with _Files() as files:
        entries = [entry for name in chosen for entry in _entries(name, parts, dtype, files)]
        save_tensors(path, entries, _metadata(parts, chosen) | dict(metadata or {}))


def write_split_pack(folder: Path, parts: Mapping[str, Component], dtype: torch.dtype | None = None) -> None:
    """Write components as the files of a split pack into `folder`, with the packed text encoder where given.

    Raises:
        ModelError, StoreError: as `write_original`.
    """
    for file, names in PACK.items():
        chosen = {name: parts[name] for name in names if name in parts}
        if not chosen:
            continue
        with _Files() as files:
            entries = [entry for name in chosen for entry in _entries(name, parts, dtype, files)]
            if file == "video_vae":
                entries = [dataclasses.replace(entry, name=entry.name.removeprefix(VAE)) for entry in entries]
            kept = [entry for entry in entries if not entry.name.startswith(PROJECTION)]
            save_tensors(folder / f"{file}.safetensors", kept, _metadata(parts, chosen))
    if "text_encoder" in parts:
        write_text_encoder(folder / "text_encoder.safetensors", parts, dtype)


def write_text_encoder(path: Path, parts: Mapping[str, Component], dtype: torch.dtype | None = None) -> None:
    """Write a packed text encoder: its weights under their own names, the projections, the tokenizer's files.

    Raises:
        ModelError, StoreError: as `write_original`.
    """
    encoder = parts["text_encoder"]
    with _Files() as files:
        entries = [_entry(name, stored, dtype, files) for name, stored in encoder.weights.items()]
        if "connectors" in parts:
            joined = _entries("connectors", parts, dtype, files)
            entries += [entry for entry in joined if entry.name.startswith(PROJECTION)]
        if "tokenizer" in parts:
            entries += _assets(parts["tokenizer"])
        save_tensors(path, entries, {"gemma_config": json.dumps(encoder.config), "format": "pt"})


def _assets(tokenizer: Component) -> list[Entry]:
    """A tokenizer's files as tensors of bytes."""
    keys, entries = turned(TOKENIZER_FILES), []
    with tokenizer.folder() as folder:
        for file in sorted(path for path in folder.iterdir() if path.is_file()):
            data = torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)
            entries.append(Entry.of(keys.get(file.name, ASSET_KEY + file.name), data))
    return entries


class _Files(ExitStack):
    """Files that weights are read from, each opened once: a header of thousands of names is long to read."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: dict[Path, Any] = {}

    def read(self, stored: Stored) -> torch.Tensor:
        """A weight, over its file's mapped memory."""
        if stored.file not in self.opened:
            self.opened[stored.file] = self.enter_context(safe_open(stored.file, "pt"))
        return stored.take(self.opened[stored.file])


def _entries(
    name: str, parts: Mapping[str, Component], dtype: torch.dtype | None, files: _Files
) -> list[Entry]:
    part = parts[name]
    names = original_names(name, filled(part) if name == "vae" else {}, part.weights.keys())
    return [_entry(names[key], stored, dtype, files) for key, stored in part.weights.items()]


def _entry(name: str, stored: Stored, dtype: torch.dtype | None, files: _Files) -> Entry:
    if stored.dtype not in TYPES:
        raise ModelError(
            f"{stored.file}: {stored.key} has the type {stored.dtype}, which is not written; take the model "
            "in bfloat16 or float32"
        )
    own = TYPES[stored.dtype]
    kind = dtype if dtype and own.is_floating_point else own
    return Entry(name, stored.shape, kind, lambda: files.read(stored))


def _metadata(parts: Mapping[str, Component], chosen: Mapping[str, Component]) -> dict[str, str]:
    found = {"config": json.dumps(original_config(parts, chosen)), "format": "pt"}
    if "transformer" in parts:
        config = filled(parts["transformer"])
        newest = config["use_keyframes_abs_pos_embedding"] or not config["ff_bias"]
        version = "2.0.0" if config["use_prompt_embeddings"] else "2.5.0" if newest else "2.3.0"
        found["model_version"] = version
        gemma = parts["text_encoder"].config.get("gemma_version") if "text_encoder" in parts else None
        if gemma and "transformer" in chosen:
            text = json.dumps({"ltx_version": version, "gemma_version": gemma})
            found["gemma_source_checkpoint"] = text
    return found
