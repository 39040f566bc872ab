"""A LoRA in the files that others read: the original layout (ComfyUI) and diffusers'.

Design choices
- Original layout: `diffusion_model.` and the original names, alpha / rank within B. Neither ComfyUI's file of
  this kind nor the pipelines' reading of it has another place for alpha.
- diffusers: `transformer.` and diffusers' names, B as it was trained, and rank and alpha in the adapter
  metadata, without which the pipelines take alpha for the rank.
- The type of the weights stays; where alpha / rank cannot be taken out of B without rounding in it (a factor
  that is no power of two), the file becomes float32: every form of a LoRA computes the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ltx_core.models.errors import ModelError
from ltx_core.models.lora.file import LoraFile
from ltx_core.models.lora.layout import ADAPTER_METADATA, MARK, PEFT_PREFIX, PREFIX
from ltx_core.models.names import to_original
from ltx_core.store.tensors import Entry, write_tensors

DIFFUSERS_FILE = "pytorch_lora_weights.safetensors"
"""The name under which the pipelines look for a LoRA in a folder."""
RENAMED_BY_LTXV = frozenset(("proj_in", "time_embed"))
"""Layers whose original names `LTXPipeline` does not translate, so that it leaves their adapters out."""


def with_alpha(file: LoraFile, alpha: float) -> LoraFile:
    """A file that states no alpha, as one that was trained with this alpha.

    Raises:
        ModelError: when the file states its alpha.
    """
    if file.alphas:
        stated = sorted(set(file.alphas.values()))
        raise ModelError(f"--alpha {alpha:g}: the LoRA says its alpha itself ({stated}); leave it out")
    weights = {name: (a, b * (alpha / len(a))) for name, (a, b) in file.weights.items()}
    return LoraFile(weights, file.metadata, dict.fromkeys(weights, alpha), file.dtype)


def write_comfyui(path: Path, file: LoraFile) -> None:
    """Write a LoRA in the original layout.

    Raises:
        OSError: when the disk does not take it.
    """
    dtype = _exact_in(file.dtype, (b for _, b in file.weights.values()))
    entries = []
    for name, (a, b) in file.weights.items():
        entries += _pair(f"{PREFIX}{to_original(name)}", a, b, dtype)
    write_tensors(path, entries, {**_facts(file), MARK: "true"})


def write_diffusers(path: Path, file: LoraFile) -> None:
    """Write a LoRA as the pipelines' `save_lora_weights` does, with adapter metadata.

    Raises:
        OSError: when the disk does not take it.
    """
    trained = {name: (a, b / _scale(file, name)) for name, (a, b) in file.weights.items()}
    acting = (b.to(file.dtype).float() * _scale(file, name) for name, (_, b) in trained.items())
    exact = all(map(torch.equal, acting, (b for _, b in file.weights.values())))
    entries = []
    for name, (a, b) in trained.items():
        entries += _pair(f"{PEFT_PREFIX}{name}", a, b, file.dtype if exact else torch.float32)
    settings = {f"{PEFT_PREFIX}{key}": value for key, value in adapter_settings(file).items()}
    facts = {**_facts(file), ADAPTER_METADATA: json.dumps(settings, sort_keys=True)}
    write_tensors(path, entries, {**facts, MARK: "false"})


def adapter_settings(file: LoraFile) -> dict[str, Any]:
    """peft's settings of the adapter: the commonest rank and alpha, the others by module.

    A module whose alpha is not stated has that of its rank, which changes nothing.
    """
    ranks = {name: len(a) for name, (a, _) in file.weights.items()}
    alphas = {name: file.alphas.get(name, float(rank)) for name, rank in ranks.items()}
    rank, alpha = _commonest(ranks), _commonest(alphas)
    return {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "target_modules": sorted(ranks),
        "rank_pattern": {f"^{name}": own for name, own in ranks.items() if own != rank},
        "alpha_pattern": {f"^{name}": own for name, own in alphas.items() if own != alpha},
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
    }


def unread_by_ltxv(file: LoraFile) -> list[str]:
    """Layers of an LTX-Video LoRA that `LTXPipeline` leaves out of a file in the original layout."""
    return [name for name in file.weights if RENAMED_BY_LTXV & set(name.split("."))]


def _scale(file: LoraFile, name: str) -> float:
    """alpha / rank of a module; 1 where alpha is not stated."""
    rank = len(file.weights[name][0])
    return file.alphas.get(name, rank) / rank


def _exact_in(dtype: torch.dtype, tensors: Iterable[Tensor]) -> torch.dtype:
    """The type, or float32 where the tensors would be rounded in it."""
    return dtype if all(torch.equal(x, x.to(dtype).float()) for x in tensors) else torch.float32


def _pair(name: str, a: Tensor, b: Tensor, dtype: torch.dtype) -> list[Entry]:
    return [Entry.of(f"{name}.lora_A.weight", a, dtype), Entry.of(f"{name}.lora_B.weight", b, dtype)]


def _facts(file: LoraFile) -> dict[str, str]:
    """The file's own strings, with rank and alpha of the trained adapter."""
    settings = adapter_settings(file)
    kept = {key: text for key, text in file.metadata.items() if key not in (ADAPTER_METADATA, MARK)}
    return {**kept, "format": "pt", "rank": str(settings["r"]), "alpha": f"{settings['lora_alpha']:g}"}


def _commonest(values: Mapping[str, Any]) -> Any:
    return Counter(values.values()).most_common(1)[0][0]
