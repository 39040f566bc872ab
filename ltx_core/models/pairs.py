"""Whether the components of a model belong together: from configs and headers alone, before any work.

A library would load most wrong pairs (a text encoder of another version, a VAE of another family) and give
noise, or fail hours later. Each message names both sides, where they lie and what each of them says. The
video VAE's class is checked where the facts are read.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from ltx_core.models.component import Component, Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.info import WEIGHTLESS, ModelInfo
from ltx_core.models.safetensors_file import file_metadata

AUDIO_CLASS = "AutoencoderKLLTX2Audio"
T5_WIDTH = "d_model"
SCALES = (".weight_scale", ".scale_weight", ".input_scale", ".scale_input", ".comfy_quant", "scaled_fp8")
"""Ends of the names of what quantised files hold beside their weights."""
BLOCK = re.compile(r"transformer_blocks\.(\d+)\.(.+)")
FULL_TYPES = frozenset(("F64", "F32", "F16", "BF16"))


def check_pairs(info: ModelInfo) -> None:
    """Refuse components that do not belong together, and weights that are not whole.

    Raises:
        ModelError: naming both sides.
    """
    for name, part in info.parts.items():
        if name not in WEIGHTLESS:
            _check_types(part)
    _check_blocks(info.part("transformer"))
    _check_video_vae(info)
    if info.family == "ltx2":
        _check_audio(info)
        _check_connectors(info)
        _check_gemma(info)
    else:
        _check_t5(info)


def _check_types(part: Component) -> None:
    """Also reads every header: a damaged or shortened file and a missing one are found here."""
    for name, stored in part.weights.items():
        scaled = stored.key.endswith(SCALES)
        if scaled or (stored.dtype not in FULL_TYPES and name.endswith(".weight")):
            raise ModelError(
                f"{stored.file} holds quantised weights ({stored.key}: {stored.dtype}); training needs the "
                "published bfloat16 file, which acceleration.quantization makes small when it is loaded"
            )


def _check_blocks(part: Component) -> None:
    """Every block has the weights of the first one, and there are as many as the config says."""
    blocks: dict[int, dict[str, Stored]] = defaultdict(dict)
    for name, stored in part.weights.items():
        if found := BLOCK.fullmatch(name):
            blocks[int(found[1])][found[2]] = stored
    stated = int(part.config.get("num_layers", 0))
    if sorted(blocks) != list(range(stated)):
        raise ModelError(
            f"{part.place} states {stated} transformer blocks, its weights are those of {len(blocks)}; get "
            "the missing files, or the config of these weights"
        )
    for index, block in blocks.items():
        wrong = sorted(
            name for name in blocks[0].keys() | block.keys() if _shape(block, name) != _shape(blocks[0], name)
        )
        if wrong:
            raise ModelError(
                f"{part.place}: block {index} has other weights than block 0, such as {wrong[0]} "
                f"({_shape(block, wrong[0])} and {_shape(blocks[0], wrong[0])}); get the file again"
            )


def _shape(weights: Mapping[str, Stored], name: str) -> tuple[int, ...] | None:
    return weights[name].shape if name in weights else None


def _check_video_vae(info: ModelInfo) -> None:
    if "vae" not in info.parts:
        return
    vae, transformer = info.part("vae"), info.part("transformer")
    channels, tokens = vae.config.get("latent_channels", 128), transformer.config.get("in_channels", 128)
    if channels != tokens:
        raise _mismatch(
            vae, f"makes latents of {channels} channels", transformer, f"reads {tokens}", "the video VAE"
        )
    space, side = vae.config.get("spatial_compression_ratio"), info.video_scale.height
    if space is not None and int(space) != side:
        raise _mismatch(
            vae, f"makes a latent of {space} pixels", transformer, f"expects {side}", "the video VAE"
        )


def _check_audio(info: ModelInfo) -> None:
    if "audio_vae" not in info.parts or info.mel is None:
        return
    vae, transformer = info.part("audio_vae"), info.part("transformer")
    kind = vae.config.get("_class_name")
    if kind != AUDIO_CLASS:
        raise _mismatch(vae, f"is a {kind}", transformer, f"needs a {AUDIO_CLASS}", "the audio VAE")
    width = info.audio_channels * info.audio_bins
    wanted = transformer.config.get("audio_in_channels", 128)
    if width != wanted:
        made = f"makes {info.audio_channels} channels x {info.audio_bins} bins = {width} numbers a latent"
        raise _mismatch(vae, made, transformer, f"reads {wanted}", "the audio VAE")
    if "vocoder" in info.parts:
        vocoder = info.part("vocoder")
        bins = int(vae.config.get("output_channels", 2)) * info.mel.mel_bins
        read = int(vocoder.config.get("in_channels", 128))
        if bins != read:
            raise _mismatch(vae, f"makes {bins} mel values a frame", vocoder, f"reads {read}", "the vocoder")


def _check_connectors(info: ModelInfo) -> None:
    if "connectors" not in info.parts:
        return
    connectors, transformer = info.part("connectors"), info.part("transformer")
    own, other = connectors.config, transformer.config
    single, projected = (
        not own.get("per_modality_projections", False),
        other.get("use_prompt_embeddings", True),
    )
    if single != projected:
        raise _mismatch(
            connectors,
            f"projects captions {'once for both streams' if single else 'for each stream'}",
            transformer,
            f"expects them {'once for both streams' if projected else 'for each stream'}",
            "the connectors",
        )
    for modality, prefix in (("video", ""), ("audio", "audio_")):
        heads, size = (
            own.get(f"{modality}_connector_{name}", default)
            for name, default in (("num_attention_heads", 30), ("attention_head_dim", 128))
        )
        key = "caption_channels" if projected else f"{prefix}cross_attention_dim"
        width = heads * size
        if key in other and width != other[key]:
            raise _mismatch(
                connectors,
                f"makes {modality} contexts of {width} numbers a token",
                transformer,
                f"reads {other[key]}",
                "the connectors",
            )


def _check_gemma(info: ModelInfo) -> None:
    if "text_encoder" not in info.parts:
        return
    encoder, transformer = info.part("text_encoder"), info.part("transformer")
    _check_gemma_version(encoder, transformer)
    if "connectors" not in info.parts:
        return
    connectors = info.part("connectors")
    text = _text_config(encoder)
    hidden, states = int(text.get("hidden_size", 0)), int(text.get("num_hidden_layers", 0)) + 1
    wanted = connectors.config
    read = int(wanted.get("caption_channels", 3840)), int(wanted.get("text_proj_in_factor", 49))
    if (hidden, states) != read:
        raise _mismatch(
            encoder,
            f"({text.get('model_type')}) gives {states} hidden states of {hidden} numbers",
            connectors,
            f"read {read[1]} of {read[0]}",
            "the text encoder",
        )


def _check_gemma_version(encoder: Component, transformer: Component) -> None:
    """By what the transformer's file says it was trained with, where it says so."""
    wanted = _wanted_gemma(transformer)
    if not wanted:
        return
    own = encoder.config.get("gemma_version")
    kind = str(encoder.config.get("model_type", ""))
    fits = own == wanted if own else kind.split("_")[0] == wanted.split("-")[0]
    if not fits:
        raise _mismatch(
            encoder, f"is {own or kind}", transformer, f"was trained with {wanted}", "the text encoder"
        )


def _wanted_gemma(transformer: Component) -> str:
    if not transformer.place.is_file():
        return ""
    text = file_metadata(transformer.place).get("gemma_source_checkpoint", "")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return ""
    return str(found.get("gemma_version", "")) if isinstance(found, dict) else ""


def _text_config(encoder: Component) -> Mapping[str, Any]:
    found = encoder.config.get("text_config")
    return found if isinstance(found, dict) else encoder.config


def _check_t5(info: ModelInfo) -> None:
    if "text_encoder" not in info.parts:
        return
    encoder, transformer = info.part("text_encoder"), info.part("transformer")
    width = encoder.config.get(T5_WIDTH)
    wanted = transformer.config.get("caption_channels", 4096)
    if width is None:
        kind = encoder.config.get("model_type")
        raise _mismatch(
            encoder, f"is a {kind}", transformer, "is LTX-Video, which reads a T5", "the text encoder"
        )
    if width != wanted:
        raise _mismatch(
            encoder, f"gives {width} numbers a token", transformer, f"reads {wanted}", "the text encoder"
        )


def _mismatch(one: Component, what: str, other: Component, need: str, subject: str) -> ModelError:
    return ModelError(
        f"{one.name} and {other.name} do not belong together: {one.place} {what}, {other.place} {need}. Take "
        f"{subject} of the same model"
    )
