"""The LTX-Video family (2B and 13B, 0.9.0 to 0.9.8): load what a stage needs, and nothing else."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch

from ltx_core.models.codecs import AudioCodec, VideoCodec
from ltx_core.models.component import Component
from ltx_core.models.errors import GET_ONE, TRAIN_AGAIN, ModelError
from ltx_core.models.info import ModelInfo
from ltx_core.models.loading import builder, load_component
from ltx_core.models.ltxv.text import Padding, T5Codec, load_t5, load_t5_tokenizer
from ltx_core.models.quantise.layers import Quantiser

Device = torch.device | str

VIDEO = ("video",)
DECODE_LEVEL, DECODE_NOISE = 0.05, 0.025
"""Level that a conditioned decoder is told, and share of noise in its latents (public examples)."""


def load_video_vae(info: ModelInfo, device: Device = "cpu", dtype: torch.dtype = torch.float32) -> VideoCodec:
    """The video VAE on `device`; from 0.9.1 on its decoder takes the last noise away.

    Raises:
        ModelError: when it is missing or damaged.
    """
    from diffusers import AutoencoderKLLTXVideo

    info.require("vae")
    part = info.part("vae")
    vae = load_component(part, builder(part, AutoencoderKLLTXVideo), device, dtype)
    if not vae.config.timestep_conditioning:
        return VideoCodec(vae)
    return VideoCodec(vae, DECODE_LEVEL, DECODE_NOISE)


def load_audio(info: ModelInfo, device: Device = "cpu") -> AudioCodec:
    """Nothing: the family has no sound.

    Raises:
        ModelError: always.
    """
    raise ModelError(
        f"the model in {info.path} is LTX-Video {info.version}, which has no audio; use a mode without audio "
        "or a model of the LTX-2 family"
    )


def load_text(
    info: ModelInfo,
    device: Device = "cpu",
    dtype: torch.dtype = torch.float32,
    quantiser: Quantiser | None = None,
) -> T5Codec:
    """Tokenizer and T5 encoder, quantised where asked for, on `device`.

    Raises:
        ModelError: when one is missing or damaged.
    """
    info.require("tokenizer", "text_encoder")
    # T5 v1.1 XXL reaches values that float16 cannot hold.
    safe = torch.bfloat16 if dtype == torch.float16 else dtype
    encoder = load_t5(info.part("text_encoder"), device, safe, quantiser)
    return T5Codec(load_t5_tokenizer(info.part("tokenizer")), encoder, info.text_tokens)


def load_connectors(
    info: ModelInfo,
    device: Device = "cpu",
    dtype: torch.dtype = torch.float32,
    modalities: Collection[str] = VIDEO,
) -> Padding:
    """What makes contexts of features: padding, nothing to load."""
    return Padding(info.context_tokens, device, dtype)


def load_transformer(
    info: ModelInfo,
    device: Device = "cpu",
    dtype: torch.dtype = torch.float32,
    modalities: Collection[str] = VIDEO,
    component: Component | None = None,
    quantiser: Quantiser | None = None,
) -> Any:
    """The frozen transformer (`LTXVideoTransformer3DModel`) on `device`.

    Args:
        info: the model.
        device: where the weights shall lie.
        dtype: of the weights.
        modalities: video alone.
        component: a transformer in place of the model's own, as full training writes it.
        quantiser: of its linear layers; None: they stay exact.

    Raises:
        ModelError: when it is missing or damaged, or audio is asked for.
    """
    from diffusers import LTXVideoTransformer3DModel

    if set(modalities) - set(VIDEO):
        load_audio(info)
    if component is None:
        info.require("transformer")
    part = component or info.part("transformer")
    return load_component(
        part,
        builder(part, LTXVideoTransformer3DModel),
        device,
        dtype,
        advice=GET_ONE if component is None else TRAIN_AGAIN,
        quantiser=quantiser,
    )
