"""The original layout of LTX-Video: one file with transformer and video VAE, as published for every version.

Design choices
- Files from 0.9.5 on state their config in the header, older ones do not: sizes are read off the weights, and
  the config adds what weights do not show. So both kinds are read alike, also a transformer or a VAE alone.
- The schedule of sampling is that of the version, which the VAE tells, as in diffusers' converter.
- No file holds a text encoder: T5 and its tokenizer come from `model.text_encoder_path`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.fingerprint import fingerprint_parts
from ltx_core.models.ltxv.facts import is_later
from ltx_core.models.ltxv.original_vae import ltxv_vae
from ltx_core.models.names import to_diffusers
from ltx_core.models.safetensors_file import file_metadata, stored_in

TRANSFORMER_PREFIXES = ("model.diffusion_model.", "diffusion_model.")
TRANSFORMER_NAMES = (
    "transformer_blocks.",
    "patchify_proj.",
    "adaln_single.",
    "caption_projection.",
    "proj_out.",
    "scale_shift_table",
)
"""Beginnings of the transformer's names in a file without prefixes."""
VAE_PREFIX, VAE_NAMES = "vae.", ("encoder.", "decoder.", "per_channel_statistics.")
MARK, OTHER_FAMILY = "patchify_proj.weight", "audio_"
"""A weight of every LTX transformer, and what only LTX-2 has."""
DEFAULT_HEADS = 32
"""Heads of both sizes; no weight shows them."""
DYNAMIC_SCHEDULER = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "use_dynamic_shifting": True,
    "base_shift": 0.95,
    "max_shift": 2.05,
    "base_image_seq_len": 1024,
    "max_image_seq_len": 4096,
    "shift_terminal": 0.1,
}
PLAIN_SCHEDULER = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "use_dynamic_shifting": False,
    "shift_terminal": None,
}

Parts = tuple[dict[str, Any], Mapping[str, Stored]]
"""A component's config and its weights by diffusers' names."""


def is_original_ltxv(file: Path) -> bool:
    """Whether a safetensors file holds an LTX-Video transformer in the original layout.

    Raises:
        ModelError: when it is damaged.
    """
    names = {_bare(name) for name in stored_in(file)}
    return MARK in names and not any(name.startswith(OTHER_FAMILY) for name in names)


def read_original_ltxv(files: Sequence[Path]) -> dict[str, Component]:
    """The components in these files together, by name: transformer, vae, scheduler.

    Raises:
        ModelError: when a file is damaged, or holds what belongs to no part of an LTX-Video model.
    """
    transformer: dict[str, Stored] = {}
    vae: dict[str, Stored] = {}
    config: dict[str, Any] = {}
    for file in files:
        _divide(file, transformer, vae)
        config |= _stated(file)
    found = {}
    if transformer:
        found["transformer"] = _component("transformer", transformer, transformer_parts, config)
    if vae:
        found["vae"] = _component("vae", vae, ltxv_vae, config)
        found["scheduler"] = _component("scheduler", vae, lambda *_: _scheduler(found["vae"].config), config)
    return found


def _divide(file: Path, transformer: dict[str, Stored], vae: dict[str, Stored]) -> None:
    """Sort the tensors of a file by component, by their original names without prefix."""
    for name, stored in stored_in(file).items():
        bare = _bare(name)
        if bare != name or name.startswith(TRANSFORMER_NAMES):
            part, own = transformer, bare
        elif name.startswith((VAE_PREFIX, *VAE_NAMES)):
            part, own = vae, name.removeprefix(VAE_PREFIX)
        else:
            raise ModelError(
                f"{file} is no LTX-Video checkpoint: {name} belongs to no part of one; give a published file "
                "or a folder in the diffusers layout"
            )
        if own in part:
            raise ModelError(f"{part[own].file} and {file} both hold {name}; name the one that shall be used")
        part[own] = stored


def _component(
    name: str,
    weights: Mapping[str, Stored],
    read: Callable[[Mapping[str, Stored], Mapping[str, Any]], Parts],
    config: Mapping[str, Any],
) -> Component:
    known: list[Parts] = []

    def once() -> Parts:
        if not known:
            known.append(read(weights, config.get(name) or {}))
        return known[0]

    return Component(
        name=name,
        place=next(iter(weights.values())).file,
        identify=lambda: fingerprint_parts(*once()),
        read_config=lambda: once()[0],
        list_weights=lambda: once()[1],
    )


def transformer_parts(weights: Mapping[str, Stored], section: Mapping[str, Any]) -> Parts:
    """diffusers' config and weights of `LTXVideoTransformer3DModel`.

    Args:
        weights: by original name, without prefix.
        section: the config's section `transformer`; empty where the file has none.

    Raises:
        ModelError: when a weight that tells a size is missing.
    """
    depth = {int(name.split(".")[1]) for name in weights if name.startswith("transformer_blocks.")}
    try:
        inner, channels = weights[MARK].shape
        heads = int(section.get("num_attention_heads", DEFAULT_HEADS))
        config = {
            "_class_name": "LTXVideoTransformer3DModel",
            "in_channels": channels,
            "out_channels": weights["proj_out.weight"].shape[0],
            "patch_size": 1,
            "patch_size_t": 1,
            "num_attention_heads": heads,
            "attention_head_dim": inner // heads,
            "cross_attention_dim": weights["transformer_blocks.0.attn2.to_k.weight"].shape[1],
            "num_layers": len(depth),
            "activation_fn": section.get("activation_fn", "gelu-approximate"),
            "qk_norm": "rms_norm_across_heads",
            "norm_elementwise_affine": section.get("norm_elementwise_affine", False),
            "norm_eps": section.get("norm_eps", 1e-6),
            "caption_channels": weights["caption_projection.linear_1.weight"].shape[1],
            "attention_bias": "transformer_blocks.0.attn1.to_q.bias" in weights,
            "attention_out_bias": "transformer_blocks.0.attn1.to_out.0.bias" in weights,
        }
    except KeyError as error:
        place = next(iter(weights.values())).file
        raise ModelError(f"{place} is no whole transformer: it has no {error}; get the file again") from error
    return config, {to_diffusers(name): stored for name, stored in weights.items()}


def _scheduler(vae: Mapping[str, Any]) -> Parts:
    return dict(PLAIN_SCHEDULER if is_later(vae) else DYNAMIC_SCHEDULER), {}


def _bare(name: str) -> str:
    """A name without the transformer's prefix."""
    prefix = next((known for known in TRANSFORMER_PREFIXES if name.startswith(known)), "")
    return name.removeprefix(prefix)


def _stated(file: Path) -> dict[str, Any]:
    """The sections of the header's config that are there."""
    text = file_metadata(file).get("config")
    try:
        value = json.loads(text) if text else {}
    except ValueError as error:
        raise ModelError(f"{file}: the config in its header is no JSON ({error}); get it again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{file}: the config in its header is no JSON object; get it again")
    return {name: section for name, section in value.items() if isinstance(section, dict) and section}
