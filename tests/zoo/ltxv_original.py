"""A folder of LTX-Video as the one file that its makers publish: their names, their config in the header.

The inverse of what readers of such files do, written from the public converter's tables and the published
files' configs, and not from this project's reader.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from zoo.ltxv_parts import LATER

WEIGHTS = "diffusion_pytorch_model.safetensors"
PREFIX = "model.diffusion_model."
MODEL_NAMES = {
    "proj_in": "patchify_proj",
    "time_embed": "adaln_single",
    "norm_q": "q_norm",
    "norm_k": "k_norm",
}
STATISTICS = {"latents_mean": "mean-of-means", "latents_std": "std-of-means"}
LAST = {"time_embedder": "last_time_embedder", "scale_shift_table": "last_scale_shift_table"}
OLD_DOWN = {
    "down_blocks.0.downsamplers.0": 1,
    "down_blocks.0.conv_out": 2,
    "down_blocks.0": 0,
    "down_blocks.1.downsamplers.0": 4,
    "down_blocks.1.conv_out": 5,
    "down_blocks.1": 3,
    "down_blocks.2.downsamplers.0": 7,
    "down_blocks.2": 6,
    "down_blocks.3": 8,
    "mid_block": 9,
}
OLD_UP = {
    "mid_block": 0,
    "up_blocks.0": 1,
    "up_blocks.1.upsamplers.0": 2,
    "up_blocks.1": 3,
    "up_blocks.2.conv_in": 4,
    "up_blocks.2.upsamplers.0": 5,
    "up_blocks.2": 6,
    "up_blocks.3.conv_in": 7,
    "up_blocks.3.upsamplers.0": 8,
    "up_blocks.3": 9,
}
"""Modules of the oldest structure -> index of their block; the longer name first where one begins another."""


def write_single_file(folder: Path, version: str, target: Path) -> None:
    """Transformer and video VAE of `folder` as one file `target`."""
    _save({**model_weights(folder), **vae_weights(folder, version)}, target, sections(folder, version))


def write_split_pack(folder: Path, version: str, target: Path) -> None:
    """A folder of two files, as tools cut the published one."""
    target.mkdir(parents=True)
    stated = sections(folder, version)
    vae = {"vae": stated.pop("vae")}
    _save(model_weights(folder), target / "transformer.safetensors", stated)
    _save(vae_weights(folder, version), target / "video_vae.safetensors", vae)


def write_text_encoder(folder: Path, target: Path) -> None:
    """T5's encoder as one file, as other programs take it: its weights and nothing else."""
    save_file(load_file(folder / "text_encoder" / "model.safetensors"), target, {"format": "pt"})


def model_weights(folder: Path) -> dict[str, Tensor]:
    """The transformer's weights by their published names."""
    held = load_file(folder / "transformer" / WEIGHTS)
    return {f"{PREFIX}{_exchanged(name, MODEL_NAMES)}": value for name, value in held.items()}


def vae_weights(folder: Path, version: str) -> dict[str, Tensor]:
    """The VAE's weights by their published names, with statistics that nothing reads."""
    held = load_file(folder / "vae" / WEIGHTS)
    weights = {f"vae.{vae_name(name, version)}": value for name, value in held.items()}
    for unused in ("channel", "mean-of-stds", "mean-of-stds_over_std-of-means"):
        weights[f"vae.per_channel_statistics.{unused}"] = torch.ones_like(held["latents_mean"])
    return weights


def sections(folder: Path, version: str) -> dict[str, Any]:
    """The header's config."""
    return {
        "transformer": transformer_config(_config(folder / "transformer"), version),
        "vae": vae_config(_config(folder / "vae"), version),
        "scheduler": {
            "_class_name": "RectifiedFlowScheduler",
            "num_train_timesteps": 1000,
            "sampler": "Uniform",
        },
    }


def vae_name(name: str, version: str) -> str:
    """The published name of a weight of diffusers' VAE."""
    if name in STATISTICS:
        return f"per_channel_statistics.{STATISTICS[name]}"
    side, rest = name.split(".", 1)
    if rest.split(".")[0] in LAST:
        first, *others = rest.split(".")
        return ".".join([side, LAST[first], *others])
    old = version == "0.9.0" or (version == "0.9.1" and side == "encoder")
    blocks = (OLD_DOWN if side == "encoder" else OLD_UP) if old else _regular(side)
    kind = "down_blocks" if side == "encoder" else "up_blocks"
    for module in sorted(blocks, key=len, reverse=True):
        if rest.startswith(f"{module}."):
            rest = f"{kind}.{blocks[module]}{rest[len(module) :]}"
            break
    rest = rest.replace("resnets", "res_blocks").replace("conv_shortcut.conv", "conv_shortcut")
    return f"{side}.{rest.replace('norm3.', 'norm3.norm.')}"


def _regular(side: str) -> dict[str, int]:
    """Blocks of the later structures: resnets and resamplers take turns."""
    if side == "encoder":
        inner = {f"down_blocks.{i}.downsamplers.0": 2 * i + 1 for i in range(4)}
        return {**inner, **{f"down_blocks.{i}": 2 * i for i in range(4)}, "mid_block": 8}
    inner = {f"up_blocks.{i}.upsamplers.0": 2 * i + 1 for i in range(3)}
    return {**inner, **{f"up_blocks.{i}": 2 * i + 2 for i in range(3)}, "mid_block": 0}


def transformer_config(own: dict[str, Any], version: str) -> dict[str, Any]:
    """The published form of a transformer's config."""
    copied = ("attention_head_dim", "num_attention_heads", "num_layers", "in_channels", "out_channels")
    config = {
        "_class_name": "Transformer3DModel",
        **{name: own[name] for name in (*copied, "cross_attention_dim", "caption_channels")},
        "activation_fn": "gelu-approximate",
        "attention_bias": True,
        "norm_elementwise_affine": False,
        "norm_eps": 1e-6,
        "qk_norm": "rms_norm",
        "standardization_norm": "rms_norm",
        "positional_embedding_type": "rope",
        "positional_embedding_theta": 10000.0,
        "positional_embedding_max_pos": [20, 2048, 2048],
        "timestep_scale_multiplier": 1000,
    }
    return config | ({"causal_temporal_positioning": True} if version in LATER else {})


def vae_config(own: dict[str, Any], version: str) -> dict[str, Any]:
    """The published form of a VAE's config: its blocks one after the other."""
    down, up = own["layers_per_block"], own["decoder_layers_per_block"]
    first, second, third, fourth, fifth = down
    config: dict[str, Any] = {
        "_class_name": "CausalVideoAutoencoder",
        "dims": 3,
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": own["latent_channels"],
        "scaling_factor": 1.0,
        "norm_layer": "pixel_norm",
        "patch_size": own["patch_size"],
        "latent_log_var": "uniform",
        "use_quant_conv": False,
        "causal_decoder": False,
        "encoder_base_channels": own["block_out_channels"][0],
        "decoder_base_channels": own["decoder_block_out_channels"][0] // own["upsample_factor"][0],
    }
    old: list[list[Any]] = [
        *(["res_x", first], ["compress_all", 1], ["res_x_y", 1], ["res_x", second], ["compress_all", 1]),
        *(["res_x_y", 1], ["res_x", third], ["compress_all", 1], ["res_x", fourth], ["res_x", fifth]),
    ]
    if version == "0.9.0":
        return config | {"blocks": old}
    noise = own["decoder_inject_noise"]
    decoder: list[list[Any]] = []
    for layers, noisy in zip(up, noise, strict=True):
        decoder += [["res_x", {"num_layers": layers, "inject_noise": noisy}]]
        decoder += [["compress_all", {"residual": True, "multiplier": 2}]]
    encoder = [[name, {"num_layers": value} if name == "res_x" else value] for name, value in old]
    if version != "0.9.1":
        kinds = ("compress_space_res", "compress_time_res", "compress_all_res", "compress_all_res")
        encoder = [["res_x", {"num_layers": first}]]
        for kind, layers in zip(kinds, down[1:], strict=True):
            encoder += [[kind, {"multiplier": 2}], ["res_x", {"num_layers": layers}]]
    blocks = {"encoder_blocks": encoder, "decoder_blocks": decoder[:-1]}
    return config | blocks | {"timestep_conditioning": own["timestep_conditioning"]}


def _exchanged(name: str, names: dict[str, str]) -> str:
    return ".".join(names.get(part, part) for part in name.split("."))


def _config(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return found


def _save(weights: dict[str, Tensor], target: Path, config: dict[str, Any]) -> None:
    held = {name: value.contiguous() for name, value in weights.items()}
    save_file(held, target, {"config": json.dumps(config), "format": "pt"})
