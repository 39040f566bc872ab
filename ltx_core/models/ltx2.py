"""The LTX-2 family: load what a stage needs, and nothing else."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch

from ltx_core.models.codecs import AudioCodec, VideoCodec
from ltx_core.models.component import Component
from ltx_core.models.diffusion_decoder import DiffusionDecoder
from ltx_core.models.errors import GET_ONE, TRAIN_AGAIN, ModelError
from ltx_core.models.info import ModelInfo
from ltx_core.models.loading import builder, load_component, load_tokenizer
from ltx_core.models.names import BOTH, runs_with
from ltx_core.models.quantise.layers import Quantiser
from ltx_core.models.text import Connectors, TextCodec
from ltx_core.models.text_encoder import load_language_model

Device = torch.device | str

PROJECTIONS = ("text_proj_in", "video_text_proj_in", "audio_text_proj_in")
"""Modules of the connectors that the text stage uses."""
VOCODERS = ("LTX2Vocoder", "LTX2VocoderWithBWE")
"""Vocoder classes of diffusers that LTX-2 models come with."""


def load_video_vae(info: ModelInfo, device: Device = "cpu", dtype: torch.dtype = torch.float32) -> VideoCodec:
    """The video VAE on `device`; one without a decoder decodes by the model's diffusion decoder.

    Raises:
        ModelError: when it is missing, damaged, or one that decodes with a noise level; when neither it nor
            the model has a decoder.
    """
    from diffusers import AutoencoderKLLTX2Video

    info.require("vae")
    part = info.part("vae")
    whole = not part.weights or any(name.startswith("decoder.") for name in part.weights)
    if not whole:
        info.require("diffusion_decoder")
    build = builder(part, AutoencoderKLLTX2Video)
    keep = None if whole else (lambda name: not name.startswith("decoder."))
    vae = load_component(part, build, device, dtype, keep)
    if vae.config.timestep_conditioning:
        raise ModelError(
            f"{info.part('vae').place} decodes with a noise level, which LTX-2's does not. {GET_ONE}"
        )
    return VideoCodec(vae, decoder=None if whole else DiffusionDecoder(info, device, dtype))


def load_audio(info: ModelInfo, device: Device = "cpu") -> AudioCodec:
    """The audio VAE and vocoder on `device`, float32 (the reference's type for both).

    Raises:
        ModelError: when one is missing or damaged.
    """
    from diffusers import AutoencoderKLLTX2Audio
    from diffusers.pipelines.ltx2 import vocoder as vocoders

    info.require("audio_vae", "vocoder")
    vae = _load(info.part("audio_vae"), AutoencoderKLLTX2Audio, device, torch.float32)
    name = info.config("vocoder").get("_class_name", "LTX2Vocoder")
    if name not in VOCODERS:
        raise ModelError(
            f"{info.part('vocoder').place} is a {name}; it must be one of {', '.join(VOCODERS)}. {GET_ONE}"
        )
    vocoder = _load(info.part("vocoder"), getattr(vocoders, name), device, torch.float32)
    if info.mel is None or info.audio_scale is None:
        raise ModelError(f"the model in {info.path} has no audio front end. {GET_ONE}")
    return AudioCodec(vae, vocoder, info.mel, info.wave_rate, info.audio_scale.factor)


def load_text(
    info: ModelInfo,
    device: Device = "cpu",
    dtype: torch.dtype = torch.float32,
    quantiser: Quantiser | None = None,
) -> TextCodec:
    """Tokenizer, language model (quantised where asked for) and feature projections on `device`.

    Raises:
        ModelError: when one is missing or damaged.
    """
    info.require("tokenizer", "text_encoder", "connectors")
    tokenizer = load_tokenizer(info.part("tokenizer"))
    encoder = load_language_model(info.part("text_encoder"), device, dtype, quantiser)
    return TextCodec(tokenizer, encoder, _connectors(info, device, dtype, PROJECTIONS), info.text_tokens)


def load_connectors(
    info: ModelInfo,
    device: Device = "cpu",
    dtype: torch.dtype = torch.float32,
    modalities: Collection[str] = BOTH,
) -> Connectors:
    """The connectors of some modalities on `device`, without their projections.

    Raises:
        ModelError: when they are missing or damaged.
    """
    parts = [f"{modality}_connector" for modality in modalities]
    return Connectors(_connectors(info, device, dtype, parts), info.context_tokens)


def load_transformer(
    info: ModelInfo,
    device: Device = "cpu",
    dtype: torch.dtype = torch.float32,
    modalities: Collection[str] = BOTH,
    component: Component | None = None,
    quantiser: Quantiser | None = None,
) -> Any:
    """The frozen transformer (`LTX2VideoTransformer3DModel`) on `device`.

    Args:
        info: the model.
        device: where the weights shall lie.
        dtype: of the weights.
        modalities: streams that will run; layers that would never run are neither made nor read, the
            audio-video attentions among them where one modality is absent.
        component: a transformer in place of the model's own, as full training writes it.
        quantiser: of its linear layers; None: they stay exact.

    Raises:
        ModelError: when it is missing or damaged.
    """
    from diffusers import LTX2VideoTransformer3DModel

    if component is None:
        info.require("transformer")
    part = component or info.part("transformer")
    return load_component(
        part,
        builder(part, LTX2VideoTransformer3DModel),
        device,
        dtype,
        lambda name: runs_with(name, modalities),
        GET_ONE if component is None else TRAIN_AGAIN,
        quantiser,
    )


def _connectors(info: ModelInfo, device: Device, dtype: torch.dtype, parts: Collection[str]) -> Any:
    from diffusers.pipelines.ltx2 import LTX2TextConnectors

    info.require("connectors")
    part = info.part("connectors")
    return load_component(
        part, builder(part, LTX2TextConnectors), device, dtype, lambda name: name.split(".")[0] in parts
    )


def _load(part: Component, cls: Any, device: Device, dtype: torch.dtype) -> Any:
    return load_component(part, builder(part, cls), device, dtype)
