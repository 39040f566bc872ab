"""Adapters of every kind with something in them, and their mathematics by hand."""

from __future__ import annotations

from copy import deepcopy

import torch

from ltx_core.models.lora.adapters import add_lora, load_lora_state, lora_state
from ltx_core.models.options import LoraOptions

TARGETS = ("to_k", "to_out.0", "ff.net.2", "audio_proj_in")
PLAIN = LoraOptions(rank=4, alpha=12, target_modules=TARGETS)
PATTERNS = {
    "rank_pattern": {"attn1.to_k": 2, "audio_to_video_attn.to_k": 6},
    "alpha_pattern": {"ff.net.2": 3.0},
}


def kind(**options):
    return LoraOptions(**{"rank": 4, "alpha": 12, "target_modules": TARGETS, **options})


KINDS = {
    "lora": PLAIN,
    "patterns": kind(**PATTERNS),
    "rslora": kind(use_rslora=True, **PATTERNS),
    "dora": kind(use_dora=True, use_rslora=True, **PATTERNS),
    "lokr": kind(
        kind="lokr", rank=2, alpha=3, **{**PATTERNS, "rank_pattern": {"attn1.to_k": 1, "attn2.to_out.0": 5}}
    ),
    "lokr factor": kind(kind="lokr", rank=1, alpha=0.5, decompose_factor=4, decompose_both=True),
}


def stirred(model, seed=5, size=0.2):
    """Every weight of the adapters moved away from where it began."""
    draw = torch.Generator().manual_seed(seed)
    moved = {n: t + size * torch.randn(t.shape, generator=draw) for n, t in lora_state(model).items()}
    load_lora_state(model, moved)
    return model


def adapted(model, options):
    add_lora(model, options, seed=3)
    return stirred(model)


def by_hand(base, state, options, strength=1.0):
    """The base with the adapters in its weights, each by its definition; `state` as `lora_state` gives it."""
    fused = deepcopy(base)
    modules = {name.rsplit(".lora_" if ".lora_" in name else ".lokr_", 1)[0] for name in state}
    for name in modules:
        weight = fused.get_submodule(name).weight
        part = {
            key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")
        }
        weight.data += strength * (changed(weight.data, name, part, options) - weight.data)
    return fused


def changed(weight, name, part, options):
    if options.kind == "lokr":
        first, second = (
            part[w] if w in part else part[f"{w}_a"] @ part[f"{w}_b"] for w in ("lokr_w1", "lokr_w2")
        )
        ends = (end for end in options.rank_pattern if name.endswith("." + end))
        rank = options.rank_pattern.get(next(ends, ""), options.rank)
        return weight + alpha_of(name, options) / rank * torch.kron(first, second)
    a, b = part["lora_A.weight"], part["lora_B.weight"]
    scale = alpha_of(name, options) / (len(a) ** 0.5 if options.use_rslora else len(a))
    turned = weight + scale * b @ a
    if not options.use_dora:
        return turned
    return part["lora_magnitude_vector.weight"][:, None] * turned / turned.norm(dim=1, keepdim=True)


def alpha_of(name, options):
    return 3.0 if options.alpha_pattern and name.endswith(".ff.net.2") else options.alpha
