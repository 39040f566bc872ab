"""Tiny transformers of both families, what to run them on, and LoRAs with something in them."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from zoo import ltx2_parts, ltxv_parts, words
from zoo.folders import settle

from ltx_core.geometry.grid import AudioGrid, AudioScale, VideoGrid, VideoScale
from ltx_core.models.forward import transformer_forward
from ltx_core.models.loading import quiet
from ltx_core.models.lora.adapters import add_lora, load_lora_state, lora_state, save_lora
from ltx_core.models.options import LoraOptions
from ltx_core.models.stream import Stream

ATTENTION = ("to_k", "to_q", "to_v", "to_out.0", "ff.net.2")
OUTSIDE = {
    "ltx2": ("proj_in", "audio_proj_in", "time_embed.linear"),
    "ltxv": ("proj_in", "time_embed.linear"),
}
"""Layers that the original layout names otherwise."""


def tiny_transformer(family: str, version: str, seed: int = 0) -> Any:
    return deepcopy(_made(family, version, seed))


@lru_cache
def _made(family: str, version: str, seed: int) -> Any:
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = (ltx2_parts if family == "ltx2" else ltxv_parts).transformer(version)
        settle(model)
    return model


@torch.no_grad()
def run(model: Any) -> Tensor:
    """Every output of one pass, flat."""
    draw = torch.Generator().manual_seed(1)
    if type(model).__name__.startswith("LTX2"):
        return torch.cat([found.flatten() for found in transformer_forward(model, **_streams(model, draw))])
    tokens, text = torch.randn(1, 12, 16, generator=draw), torch.randn(1, 6, words.T5_WIDTH, generator=draw)
    found = model(
        hidden_states=tokens,
        encoder_hidden_states=text,
        timestep=torch.tensor([600.0]),
        encoder_attention_mask=torch.ones(1, 6),
        num_frames=3,
        height=2,
        width=2,
        rope_interpolation_scale=(1.0, 32.0, 32.0),
        return_dict=False,
    )
    return found[0].flatten()


def _streams(model: Any, draw: torch.Generator) -> dict[str, Stream]:
    grids = {
        "video": VideoGrid(3, 2, 2, VideoScale(8, 32, 32)).positions(),
        "audio": AudioGrid(5, AudioScale(16000, 160)).positions(),
    }
    found = {}
    for name, positions in grids.items():
        channels = model.config.in_channels if name == "video" else model.config.audio_in_channels
        heads = (
            model.config.cross_attention_dim if name == "video" else model.config.audio_cross_attention_dim
        )
        width = words.HIDDEN if model.config.use_prompt_embeddings else heads
        count = positions.shape[1]
        found[name] = Stream(
            tokens=torch.randn(1, count, channels, generator=draw),
            timesteps=torch.full((1, count), 0.6),
            sigma=torch.full((1,), 0.6),
            positions=positions[None],
            context=torch.randn(1, 6, width, generator=draw),
        )
    return found


def trained_lora(
    path: Path,
    model: Any,
    targets: tuple[str, ...],
    metadata: dict[str, str] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Any:
    """Save a LoRA of rank 4 and alpha 12 with something in it; returns the model with it."""
    options = LoraOptions(rank=4, alpha=12, target_modules=targets)
    add_lora(model, options, seed=3)
    draw = torch.Generator().manual_seed(5)
    state = lora_state(model)
    load_lora_state(model, {n: t + 0.2 * torch.randn(t.shape, generator=draw) for n, t in state.items()})
    save_lora(path, model, metadata or {}, dtype)
    return model


def pipeline_with(model: Any) -> Any:
    """The pipeline that its users load a LoRA into, with nothing but the transformer."""
    from diffusers import LTX2Pipeline, LTXPipeline

    parts = ("scheduler", "vae", "text_encoder", "tokenizer")
    if type(model).__name__.startswith("LTX2"):
        rest = dict.fromkeys((*parts, "audio_vae", "connectors", "vocoder"))
        return LTX2Pipeline(transformer=model, **rest)
    return LTXPipeline(transformer=model, **dict.fromkeys(parts))
