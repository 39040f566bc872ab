"""Whole tiny models as folders in the diffusers layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ltx_core.models.loading import quiet
from zoo import ltx2_parts, ltxv_parts

VERSIONS = {"ltx2": ltx2_parts.VERSIONS, "ltxv": ltxv_parts.VERSIONS}
SHARDED = ("transformer", "text_encoder")
"""Parts whose weights lie in several files in the real folders."""
FRAMES, SIDE = 9, 64
"""A clip that every model of the zoo takes: 8k + 1 frames, sides that are multiples of 32 pixels."""


def build_model(
    folder: Path,
    family: str,
    version: str,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.bfloat16,
    shard: str | None = None,
) -> Path:
    """Write a whole tiny model with random weights into `folder`; returns it.

    Args:
        folder: is made.
        family: `ltx2` or `ltxv`.
        version: one of `VERSIONS[family]`.
        seed: of the weights.
        dtype: of the weights.
        shard: the longest weights file of the parts `SHARDED`, as `200KB`; None: one file.
    """
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = (ltx2_parts if family == "ltx2" else ltxv_parts).parts(version)
        modules = {name: part for name, part in found.items() if isinstance(part, nn.Module)}
        for module in modules.values():
            settle(module)
        measure(found)
        for module in modules.values():
            module.to(dtype)
        pipeline_class(family, version)(**found).save_pretrained(folder)
        if shard is not None:
            for name in SHARDED:
                cut(modules[name], folder / name, shard)
    return folder


def cut(module: Any, folder: Path, shard: str) -> None:
    """Write the weights again, in files of at most `shard` and an index of them."""
    for file in folder.glob("*.safetensors"):
        file.unlink()
    module.save_pretrained(folder, max_shard_size=shard)


def pipeline_class(family: str, version: str) -> Any:
    """The library's pipeline that the real folder of this version names."""
    import diffusers

    if family == "ltx2":
        return diffusers.LTX2Pipeline
    return diffusers.LTXConditionPipeline if version in ltxv_parts.LATER else diffusers.LTXPipeline


def settle(module: nn.Module) -> None:
    """Random values for what the library leaves at zero, so that a weight that is not read is noticed."""
    module.eval().requires_grad_(False)
    for value in module.parameters():
        if not value.any():
            nn.init.normal_(value, std=0.02)


@torch.no_grad()
def measure(parts: dict[str, Any]) -> None:
    """Statistics of the latents, measured on noise as the real ones are on videos."""
    vae = parts["vae"]
    found = vae.encode(torch.rand(1, 3, FRAMES, SIDE, SIDE) * 2 - 1).latent_dist.mode()
    keep(vae, found.transpose(0, 1).flatten(1))
    if "audio_vae" in parts:
        vae = parts["audio_vae"]
        found = vae.encode(torch.randn(1, 2, 101, 64) * 2 - 6).latent_dist.mode()
        keep(vae, found.transpose(1, 2).flatten(2)[0].T)


def keep(vae: Any, values: Tensor) -> None:
    """Statistics `[C]` of `values` `[C, N]`."""
    vae.latents_mean.copy_(values.mean(1))
    vae.latents_std.copy_(values.std(1).clamp_min(1e-2))
