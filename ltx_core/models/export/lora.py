"""A LoRA in the files that others read: the original layout (ComfyUI) and diffusers'.

Design choices
- Original layout: `diffusion_model.` and the original names, alpha / rank within B. Neither ComfyUI's file of
  this kind nor the pipelines' reading of it has another place for alpha.
- diffusers: `transformer.` and diffusers' names, B as it was trained, and rank and alpha in the adapter
  metadata, without which the pipelines take alpha for the rank.
- A LoKr has the first form alone: no pipeline of LTX reads one.
- The type of the weights stays; where alpha / rank cannot be taken out of B without rounding in it (a factor
  that is no power of two), the file becomes float32: every form of a LoRA computes the same.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ltx_core.models.errors import ModelError
from ltx_core.models.lora.file import LoraFile
from ltx_core.models.lora.layout import ADAPTER_METADATA, MARK, OPTIONS, PEFT_PREFIX
from ltx_core.models.lora.write import DORA_SCALE, commonest, entries, exact_in, facts, layer_entries
from ltx_core.models.options import AdapterKind
from ltx_core.store.tensors import write_tensors

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
    return replace(file, weights=weights, alphas=dict.fromkeys(weights, alpha))


def write_comfyui(path: Path, file: LoraFile) -> None:
    """Write a LoRA in the original layout.

    Raises:
        OSError: when the disk does not take it.
    """
    scaled = [b for _, b in file.weights.values()]
    for factors in file.factors.values():
        scaled += factors.values()
    dtype = exact_in(file.dtype, iter(scaled))
    write_tensors(path, entries(file, dtype), {**facts(file), MARK: "true"})


def write_diffusers(path: Path, file: LoraFile) -> None:
    """Write a LoRA as the pipelines' `save_lora_weights` does, with adapter metadata.

    Raises:
        ModelError: for a LoKr, which the pipelines do not read.
        OSError: when the disk does not take it.
    """
    check_diffusers(file.kind)
    trained = {name: (a, b / _scale(file, name)) for name, (a, b) in file.weights.items()}
    acting = (b.to(file.dtype).float() * _scale(file, name) for name, (_, b) in trained.items())
    exact = all(map(torch.equal, acting, (b for _, b in file.weights.values())))
    dtype = file.dtype if exact else torch.float32
    held, own = replace(file, weights=trained), []
    for name in trained:
        named = layer_entries(held, name, f"{PEFT_PREFIX}{name}", dtype)
        own += [entry for entry in named if not entry.name.endswith(DORA_SCALE)]
    settings = {f"{PEFT_PREFIX}{key}": value for key, value in adapter_settings(file).items()}
    told = {key: text for key, text in facts(file).items() if key != OPTIONS}
    stated = {ADAPTER_METADATA: json.dumps(settings, sort_keys=True), MARK: "false"}
    write_tensors(path, own, {**told, **stated})


def check_diffusers(kind: AdapterKind) -> None:
    """Refuse the pipelines' form of what they do not read.

    Raises:
        ModelError: with the forms that there are.
    """
    if kind == "lokr":
        raise ModelError(
            "a LoKr has no form for diffusers' pipelines of LTX, which take LoRA and DoRA alone; use "
            "--to comfyui, or --to merged, which any pipeline loads"
        )


def adapter_settings(file: LoraFile) -> dict[str, Any]:
    """peft's settings of the adapter: the commonest rank and alpha, the others by module.

    A module whose alpha is not stated has that of its rank, which changes nothing.
    """
    ranks = {name: len(a) for name, (a, _) in file.weights.items()}
    alphas = {name: file.alphas.get(name, float(rank)) for name, rank in ranks.items()}
    rank, alpha = commonest(ranks), commonest(alphas)
    return {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "target_modules": sorted(ranks),
        "rank_pattern": {f"^{name}": own for name, own in ranks.items() if own != rank},
        "alpha_pattern": {f"^{name}": own for name, own in alphas.items() if own != alpha},
        "bias": "none",
        "use_rslora": False,
        "use_dora": bool(file.lengths),
    }


def unread_by_ltxv(file: LoraFile) -> list[str]:
    """Layers of an LTX-Video LoRA that `LTXPipeline` leaves out of a file in the original layout."""
    return [name for name in file.modules if RENAMED_BY_LTXV & set(name.split("."))]


def _scale(file: LoraFile, name: str) -> float:
    """alpha / rank of a module; 1 where alpha is not stated."""
    rank = len(file.weights[name][0])
    return file.alphas.get(name, rank) / rank
