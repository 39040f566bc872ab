"""A folder of LTX-2 as its makers publish it: one file, or a pack of four; their names and configs.

The inverse of what readers of such files do, written from the public key lists and headers, and not from this
project's reader.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from zoo.ltx2_sections import config_of, section

PREFIX, PROJECTION = "model.diffusion_model.", "text_embedding_projection."
MODEL_NAMES = {
    "audio_proj_in": "audio_patchify_proj",
    "proj_in": "patchify_proj",
    "time_embed": "adaln_single",
    "audio_time_embed": "audio_adaln_single",
    "prompt_adaln": "prompt_adaln_single",
    "audio_prompt_adaln": "audio_prompt_adaln_single",
    "av_cross_attn_video_scale_shift": "av_ca_video_scale_shift_adaln_single",
    "av_cross_attn_audio_scale_shift": "av_ca_audio_scale_shift_adaln_single",
    "av_cross_attn_video_a2v_gate": "av_ca_a2v_gate_adaln_single",
    "av_cross_attn_audio_v2a_gate": "av_ca_v2a_gate_adaln_single",
    "video_a2v_cross_attn_scale_shift_table": "scale_shift_table_a2v_ca_video",
    "audio_a2v_cross_attn_scale_shift_table": "scale_shift_table_a2v_ca_audio",
    "norm_q": "q_norm",
    "norm_k": "k_norm",
    "video_connector": "video_embeddings_connector",
    "audio_connector": "audio_embeddings_connector",
}
PROJECTION_NAMES = {
    "text_proj_in": "aggregate_embed",
    "video_text_proj_in": "video_aggregate_embed",
    "audio_text_proj_in": "audio_aggregate_embed",
}
VOCODER_NAMES = {
    "conv_in": "conv_pre",
    "upsamplers": "ups",
    "resnets": "resblocks",
    "act_out": "act_post",
    "conv_out": "conv_post",
}
STATISTICS = {"latents_mean": "mean-of-means", "latents_std": "std-of-means"}
UNUSED = ("channel", "mean-of-stds", "mean-of-stds_over_std-of-means")
Weights = dict[str, Tensor]


def write_single_file(folder: Path, version: str, target: Path) -> None:
    """All but the text encoder as one file `target`."""
    weights: Weights = {}
    for name in ("transformer", "connectors", "projections", "vae", "audio_vae", "vocoder"):
        weights |= part_weights(folder, name)
    sections = ("transformer", "vae", "audio_vae", "vocoder", "scheduler")
    _save(weights, target, version, {name: section(folder, name) for name in sections})


def write_split_pack(folder: Path, version: str, target: Path) -> None:
    """A folder `target` of four files, the text encoder with its tokenizer among them."""
    target.mkdir(parents=True, exist_ok=True)
    files = {
        "transformer": (("transformer", "connectors"), ("transformer", "scheduler")),
        "audio_vae": (("audio_vae", "vocoder"), ("audio_vae", "vocoder")),
    }
    for name, (parts, sections) in files.items():
        weights = {key: value for part in parts for key, value in part_weights(folder, part).items()}
        stated = {one: section(folder, one) for one in sections}
        _save(weights, target / f"{name}.safetensors", version, stated)
    bare = {key.removeprefix("vae."): value for key, value in part_weights(folder, "vae").items()}
    _save(bare, target / "video_vae.safetensors", version, {"vae": section(folder, "vae")})
    write_text_encoder(folder, target / "text_encoder.safetensors")


def write_text_encoder(folder: Path, target: Path) -> None:
    """Language model, projections and tokenizer as one file."""
    weights = part_weights(folder, "projections")
    for file in (folder / "text_encoder").glob("*.safetensors"):
        for name, value in load_file(file).items():
            if "vision" not in name and "multi_modal" not in name:
                inner = name.replace("language_model.", "").removeprefix("model.")
                weights[f"model.{inner}"] = value
    for name, key in (("tokenizer.json", "tokenizer_json"), ("tokenizer_config.json", None)):
        held = np.frombuffer((folder / "tokenizer" / name).read_bytes(), np.uint8)
        weights[key or f"hf_asset__{name}"] = torch.from_numpy(held.copy())
    config = json.dumps(config_of(folder, "text_encoder"))
    save_file(_contiguous(weights), target, {"gemma_config": config, "format": "pt"})


def part_weights(folder: Path, part: str) -> Weights:
    """A part's weights by their published names; `projections` are those of the connectors."""
    place = "connectors" if part == "projections" else part
    held = {k: v for f in (folder / place).glob("*.safetensors") for k, v in load_file(f).items()}
    if part == "transformer":
        return {PREFIX + _exchanged(name, MODEL_NAMES): value for name, value in held.items()}
    if part in ("connectors", "projections"):
        wanted = part == "projections"
        chosen = {name: value for name, value in held.items() if ("text_proj_in" in name) is wanted}
        if wanted:
            return {PROJECTION + _exchanged(name, PROJECTION_NAMES): value for name, value in chosen.items()}
        names = {**MODEL_NAMES, "transformer_blocks": "transformer_1d_blocks"}
        return {PREFIX + _exchanged(name, names): value for name, value in chosen.items()}
    if part == "vocoder":
        return {f"vocoder.{_vocoder_name(name)}": value for name, value in held.items()}
    named = {f"{part}.{_vae_name(name)}": value for name, value in held.items()}
    if part == "vae" and held["encoder.conv_out.conv.weight"].shape[1] == 16 * len(held["latents_mean"]):
        for unused in UNUSED:  # in 2.0's file alone
            named[f"vae.per_channel_statistics.{unused}"] = torch.ones_like(held["latents_mean"])
    return named


def _vae_name(name: str) -> str:
    if name in STATISTICS:
        return f"per_channel_statistics.{STATISTICS[name]}"
    side, first, *rest = name.split(".")
    if rest and rest[0].isdigit() and first in ("down_blocks", "up_blocks") and rest[1] != "block":
        later = first == "up_blocks"
        index, kind, *inner = rest
        if kind in ("downsamplers", "upsamplers"):
            return ".".join([side, first, str(2 * int(index) + 1), *inner[1:]])
        if kind == "resnets":
            return ".".join([side, first, str(2 * int(index) + 2 * later), "res_blocks", *inner])
    if first == "mid_block" and rest[0] == "resnets":
        place = ["down_blocks", "8"] if side == "encoder" else ["up_blocks", "0"]
        return ".".join([side, *place, "res_blocks", *rest[1:]])
    return name


def _vocoder_name(name: str) -> str:
    return _exchanged(name, VOCODER_NAMES).replace("downsample.filter", "downsample.lowpass.filter")


def _save(weights: Weights, target: Path, version: str, config: Mapping[str, Any]) -> None:
    facts = {"model_version": f"{version}.0", "config": json.dumps(config)}
    if version == "2.5":
        facts["gemma_source_checkpoint"] = json.dumps(
            {"ltx_version": "2.5.0", "gemma_version": "gemma4-12b-ltx-v1"}
        )
    save_file(_contiguous(weights), target, facts)


def _exchanged(name: str, names: Mapping[str, str]) -> str:
    return ".".join(names.get(part, part) for part in name.split("."))


def _contiguous(weights: Weights) -> Weights:
    return {name: value.contiguous() for name, value in weights.items()}
