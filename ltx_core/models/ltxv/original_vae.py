"""The video VAE of LTX-Video in the original layout: names and config of diffusers', by its weights alone.

The original counts blocks one by one: groups of residual blocks, samplers, and (0.9.0, 0.9.1) single residual
blocks that change the channels. diffusers gathers a group with what belongs to it. Kinds, widths, depths and
factors are all read off names and shapes, because older files state no config; a config adds what weights do
not show. Names are those of diffusers' own converter (`tests/unit/models/test_ltxv_original.py`). No torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ltx_core.models.component import Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.ltxv.facts import AXES, LATER_BLOCK, VAE_CLASS
from ltx_core.models.original.names import DECODER_LAST, IGNORED_STATISTICS, VAE_STATISTICS

OLD_BLOCK = "LTXVideoDownBlock3D"
GROUP, SAMPLER, CHANGE = "res_blocks", "conv", "conv1"
"""A block's first module tells its kind: residual blocks, a sampler, a single one that changes channels."""
WITHIN = {"res_blocks": "resnets", "conv_shortcut": "conv_shortcut.conv", "norm3.norm": "norm3"}
"""Modules of a block that diffusers calls otherwise."""
COLOURS = 3

Weights = Mapping[str, Stored]


@dataclass
class _Group:
    """A group of residual blocks and what diffusers gathers with it."""

    index: int
    layers: int
    width: int
    noise: bool
    sampler: tuple[int, ...] | None = None
    """Shape of the sampler's weight."""
    others: dict[int, str] = field(default_factory=dict)
    """Further blocks by index: what they are called within diffusers' block."""


def ltxv_vae(weights: Weights, section: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Stored]]:
    """diffusers' config and weights of `AutoencoderKLLTXVideo`.

    Args:
        weights: by original name, without `vae.`.
        section: the config's section `vae`; empty where the file has none.

    Raises:
        ModelError: when blocks are not those of an LTX-Video VAE.
    """
    down, plain = _encoder_groups(weights)
    up = _decoder_groups(weights)
    names = _names("encoder", "down_blocks", down, down[-1].index)
    names |= _names("decoder", "up_blocks", up, up[0].index)
    config = {
        "_class_name": VAE_CLASS,
        "in_channels": COLOURS,
        "out_channels": COLOURS,
        "patch_size_t": 1,
        "resnet_norm_eps": 1e-6,
        "scaling_factor": section.get("scaling_factor", 1.0),
        "encoder_causal": True,
        "decoder_causal": section.get("causal_decoder", False),
        "timestep_conditioning": any(name.startswith("decoder.last_time_embedder") for name in weights),
        **_encoder_config(weights, down, plain),
        **_decoder_config(up, section),
    }
    return config, dict(_renamed(weights, names))


def _encoder_groups(weights: Weights) -> tuple[list[_Group], bool]:
    """Groups from pixels to latents, the middle one last; and whether samplers are plain convolutions."""
    groups: list[_Group] = []
    plain = False
    for index, kind, shape in _blocks(weights, "encoder.down_blocks"):
        if kind == GROUP:
            groups.append(_group(weights, "encoder.down_blocks", index))
        elif not groups:
            raise _unknown("encoder", index)
        elif kind == SAMPLER:
            groups[-1].sampler, groups[-1].others[index] = shape, "downsamplers.0"
            plain = plain or f"encoder.down_blocks.{index}.conv.weight" in weights
        else:
            groups[-1].others[index] = "conv_out"
    if len(groups) < 2:
        raise _unknown("encoder", 0)
    return groups, plain


def _decoder_groups(weights: Weights) -> list[_Group]:
    """Groups from latents to pixels, the middle one first; a sampler belongs to the group after it."""
    groups: list[_Group] = []
    waiting: dict[int, str] = {}
    sampler: tuple[int, ...] | None = None
    for index, kind, shape in _blocks(weights, "decoder.up_blocks"):
        if kind == GROUP:
            found = _group(weights, "decoder.up_blocks", index)
            found.sampler, found.others = sampler, waiting
            groups.append(found)
            sampler, waiting = None, {}
        elif kind == SAMPLER:
            sampler, waiting[index] = shape, "upsamplers.0"
        else:
            waiting[index] = "conv_in"
    if len(groups) < 2 or waiting or groups[0].others:
        raise _unknown("decoder", 0)
    return groups


def _blocks(weights: Weights, place: str) -> list[tuple[int, str, tuple[int, ...]]]:
    """Index, kind and the shape of the sampler's or first weight of every block, in order."""
    found: dict[int, tuple[str, tuple[int, ...]]] = {}
    for name, stored in weights.items():
        if name.startswith(f"{place}."):
            number, module, *rest = name.removeprefix(f"{place}.").split(".")
            if module in (GROUP, SAMPLER, CHANGE) and rest[-1] == "weight" and int(number) not in found:
                found[int(number)] = module, stored.shape
    return [(index, *found[index]) for index in sorted(found)]


def _group(weights: Weights, place: str, index: int) -> _Group:
    start = f"{place}.{index}.{GROUP}."
    numbers = {int(name.removeprefix(start).split(".")[0]) for name in weights if name.startswith(start)}
    first = weights.get(f"{start}0.conv1.conv.weight")
    if first is None:
        raise _unknown(place.split(".")[0], index)
    return _Group(index, len(numbers), first.shape[0], f"{start}0.per_channel_scale1" in weights)


def _encoder_config(weights: Weights, groups: list[_Group], plain: bool) -> dict[str, Any]:
    blocks, patches = groups[:-1], weights["encoder.conv_in.conv.weight"].shape[1] // COLOURS
    patch = math.isqrt(patches)
    kinds = ["conv"] * len(blocks)
    config: dict[str, Any] = {
        "latent_channels": weights["encoder.conv_out.conv.weight"].shape[0] - 1,
        "patch_size": patch,
        "layers_per_block": [group.layers for group in groups],
        "spatio_temporal_scaling": [group.sampler is not None for group in blocks],
        "down_block_types": [OLD_BLOCK if plain else LATER_BLOCK] * len(blocks),
        "block_out_channels": [group.width for group in (blocks if plain else groups)],
    }
    if not plain:
        kinds = [_halved(group, after.width) for group, after in zip(blocks, groups[1:], strict=True)]
        config["temporal_compression_ratio"] = math.prod(AXES[kind][0] for kind in kinds)
        config["spatial_compression_ratio"] = patch * math.prod(AXES[kind][1] for kind in kinds)
    return {**config, "downsample_type": kinds}


def _halved(group: _Group, width: int) -> str:
    """Kind of a sampler that folds pixels into channels, by how many it folds into `width` of them."""
    folded = width // group.sampler[0] if group.sampler else 0
    for kind, steps in AXES.items():
        if kind != "conv" and math.prod(steps) == folded:
            return kind
    raise _unknown("encoder", group.index + 1)


def _decoder_config(groups: list[_Group], section: Mapping[str, Any]) -> dict[str, Any]:
    """Lists from the finest group on, as diffusers has them."""
    blocks = groups[:0:-1]
    factors = [_factor(group) for group in blocks]
    stated = [
        bool(value.get("residual"))
        for kind, value in section.get("decoder_blocks", ())
        if kind.startswith("compress") and isinstance(value, Mapping)
    ]
    residual = stated if len(stated) == len(blocks) else [factor > 1 for factor in factors]
    return {
        "decoder_block_out_channels": [g.width * f for g, f in zip(blocks, factors, strict=True)],
        "decoder_layers_per_block": [group.layers for group in reversed(groups)],
        "decoder_spatio_temporal_scaling": [group.sampler is not None for group in blocks],
        "decoder_inject_noise": [group.noise for group in reversed(groups)],
        "upsample_residual": residual,
        "upsample_factor": factors,
    }


def _factor(group: _Group) -> int:
    """By how much the sampler before a group divides the channels."""
    if group.sampler is None:
        return 1
    made, given = group.sampler[:2]
    return given * math.prod(AXES["spatiotemporal"]) // made


def _names(side: str, place: str, groups: list[_Group], middle: int) -> dict[str, str]:
    """Original block -> diffusers' one, each with its side; `middle` is the index of the middle group."""
    found, number = {}, 0
    for group in groups:
        if group.index == middle:
            found[f"{side}.{place}.{group.index}"] = f"{side}.mid_block"
            continue
        own = f"{side}.{place}.{number}"
        found[f"{side}.{place}.{group.index}"] = own
        found |= {f"{side}.{place}.{index}": f"{own}.{name}" for index, name in group.others.items()}
        number += 1
    return found


def _renamed(weights: Weights, names: Mapping[str, str]) -> dict[str, Stored]:
    found = {}
    for name, stored in weights.items():
        if name in IGNORED_STATISTICS:
            continue
        side, kind, *rest = name.split(".")
        block = names.get(f"{side}.{kind}.{rest[0]}") if rest else None
        if name in VAE_STATISTICS:
            new = VAE_STATISTICS[name]
        elif block is None:
            new = ".".join([side, DECODER_LAST.get(kind, kind), *rest])
        else:
            inner = ".".join(rest[1:])
            for old, meant in WITHIN.items():
                inner = inner.replace(f"{old}.", f"{meant}.")
            new = f"{block}.{inner}"
        found[new] = stored
    return found


def _unknown(side: str, index: int) -> ModelError:
    return ModelError(
        f"the checkpoint's vae has a {side} whose block {index} is none of LTX-Video 0.9.0 to 0.9.8; it is "
        "of another family, or newer than this program"
    )
