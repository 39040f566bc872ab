"""LTX-Video in the original layout, for writing: names of transformer and video VAE, and the header's config.

The inverse of `models/ltxv/original.py` and `original_vae.py`; a VAE is written only when those read its
names back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.ltxv.original_vae import ltxv_vae
from ltx_core.models.names import to_original
from ltx_core.models.original.names import DECODER_LAST, VAE_STATISTICS, turned

TRANSFORMER, VAE = "model.diffusion_model.", "vae."
"""Beginnings of names in a checkpoint."""
BUILT_IN = {
    "_class_name": "Transformer3DModel",
    "attention_type": "default",
    "double_self_attention": False,
    "dropout": 0.0,
    "norm_num_groups": 32,
    "num_embeds_ada_norm": 1000,
    "only_cross_attention": False,
    "positional_embedding_max_pos": [20, 2048, 2048],
    "positional_embedding_theta": 10000.0,
    "positional_embedding_type": "rope",
    "project_to_2d_pos": True,
    "qk_norm": "rms_norm",
    "standardization_norm": "rms_norm",
    "timestep_scale_multiplier": 1000,
    "upcast_attention": False,
    "use_linear_projection": False,
}
"""What an original config says and diffusers' class has built in."""
STATED = {
    "activation_fn": "gelu-approximate",
    "attention_bias": True,
    "attention_head_dim": 64,
    "caption_channels": 4096,
    "cross_attention_dim": 2048,
    "in_channels": 128,
    "norm_elementwise_affine": False,
    "norm_eps": 1e-6,
    "num_attention_heads": 32,
    "num_layers": 28,
    "out_channels": 128,
}
"""What both say alike, with the class's defaults."""
WITHIN = {"resnets": "res_blocks", "conv_shortcut.conv": "conv_shortcut", "norm3": "norm3.norm"}
"""Modules of a VAE's block that the original calls otherwise."""


def transformer_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The original config of a transformer, from diffusers'."""
    return BUILT_IN | {name: config.get(name, default) for name, default in STATED.items()}


def transformer_weights(part: Component) -> dict[str, Stored]:
    """A transformer's weights by their names in a checkpoint."""
    return {TRANSFORMER + to_original(name): stored for name, stored in part.weights.items()}


def vae_weights(part: Component) -> dict[str, Stored]:
    """A video VAE's weights by their names in a checkpoint.

    Raises:
        ModelError: when the original layout has no names for them.
    """
    blocks = _block_numbers(part.weights)
    found = {_original(name, blocks): stored for name, stored in part.weights.items()}
    try:
        named = {bare: replace(stored, key=bare) for bare, stored in found.items()}
        back = {name: stored.key for name, stored in ltxv_vae(named, {})[1].items()}
    except (ModelError, LookupError, ValueError):
        back = {}
    if back != {name: _original(name, blocks) for name in part.weights}:
        raise ModelError(
            f"{part.place} cannot be written in the original layout, which has no names for its blocks; "
            "write it as a diffusers folder"
        )
    return {VAE + bare: stored for bare, stored in found.items()}


def _block_numbers(weights: Mapping[str, Stored]) -> dict[str, str]:
    """Each module that counts in the original: `encoder.down_blocks.0.downsamplers.0` -> its `down_blocks.1`.

    A block of diffusers is a group of residual blocks with its sampler and, in old versions, one residual
    block that changes the channels; the original counts each.
    """
    found = {}
    for side, kind, order in (
        ("encoder", "down_blocks", ("", "downsamplers.0", "conv_out")),
        ("decoder", "up_blocks", ("conv_in", "upsamplers.0", "")),
    ):
        starts = f"{side}.{kind}."
        depth = {int(name.removeprefix(starts).split(".")[0]) for name in weights if name.startswith(starts)}
        number = 0
        if side == "decoder":
            found[f"{side}.mid_block"], number = f"{starts}0", 1
        for block in sorted(depth):
            for module in order:
                inner = f"{starts}{block}.{module}".rstrip(".")
                if not module or any(name.startswith(inner + ".") for name in weights):
                    found[inner], number = f"{starts}{number}", number + 1
        if side == "encoder":
            found[f"{side}.mid_block"] = f"{starts}{number}"
    return found


def _original(name: str, blocks: Mapping[str, str]) -> str:
    statistics = turned(VAE_STATISTICS)
    if name in statistics:
        return statistics[name]
    inner = max((start for start in blocks if name.startswith(start + ".")), key=len, default="")
    if not inner:
        side, module, *rest = name.split(".")
        return ".".join([side, turned(DECODER_LAST).get(module, module), *rest])
    own = name.removeprefix(inner)
    for new, old in WITHIN.items():
        own = f"{own}.".replace(f".{new}.", f".{old}.").removesuffix(".")
    return blocks[inner] + own
