"""The LTX-2 family: load what a stage needs, and nothing else."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from ltx_core.models.codecs import AudioCodec, VideoCodec
from ltx_core.models.info import GET_ONE, ModelError, ModelInfo
from ltx_core.models.loading import load_module, load_tokenizer
from ltx_core.models.names import BOTH, runs_with
from ltx_core.models.partial import load_part
from ltx_core.models.text import Connectors, TextCodec

Device = torch.device | str

PROJECTIONS = ("text_proj_in", "video_text_proj_in", "audio_text_proj_in")
"""Modules of the connectors that the text stage uses."""
VOCODERS = ("LTX2Vocoder", "LTX2VocoderWithBWE")
"""Vocoder classes of diffusers that LTX-2 models come with."""
TRAIN_AGAIN = "Train it again, or give another one."


def load_video_vae(info: ModelInfo, device: Device = "cpu", dtype: torch.dtype = torch.float32) -> VideoCodec:
    """The video VAE on `device`.

    Raises:
        ModelError: when it is missing, damaged, or one that decodes with a noise level.
    """
    from diffusers import AutoencoderKLLTX2Video

    vae = load_module(info, "vae", AutoencoderKLLTX2Video, dtype)
    if vae.config.timestep_conditioning:
        raise ModelError(
            f"{info.folder('vae')} decodes with a noise level, which LTX-2's does not. {GET_ONE}"
        )
    return VideoCodec(vae.to(device))


def load_audio(info: ModelInfo, device: Device = "cpu") -> AudioCodec:
    """The audio VAE and vocoder on `device`, float32 (the reference's type for both).

    Raises:
        ModelError: when one is missing or damaged.
    """
    from diffusers import AutoencoderKLLTX2Audio
    from diffusers.pipelines.ltx2 import vocoder as vocoders

    vae = load_module(info, "audio_vae", AutoencoderKLLTX2Audio, torch.float32)
    info.require("vocoder")
    name = info.config("vocoder").get("_class_name", "LTX2Vocoder")
    if name not in VOCODERS:
        raise ModelError(
            f"{info.folder('vocoder')} is a {name}; it must be one of {', '.join(VOCODERS)}. {GET_ONE}"
        )
    cls = getattr(vocoders, name)
    vocoder = load_module(info, "vocoder", cls, torch.float32)
    if info.mel is None or info.audio_scale is None:
        raise ModelError(f"the model in {info.path} has no audio front end. {GET_ONE}")
    return AudioCodec(vae.to(device), vocoder.to(device), info.mel, info.wave_rate, info.audio_scale.factor)


def load_text(info: ModelInfo, device: Device = "cpu", dtype: torch.dtype = torch.float32) -> TextCodec:
    """Tokenizer, language model and feature projections on `device`.

    Raises:
        ModelError: when one is missing or damaged.
    """
    import transformers

    tokenizer = load_tokenizer(info)
    info.require("text_encoder")
    names = info.config("text_encoder").get("architectures") or ["?"]
    cls = getattr(transformers, names[0], None)
    if cls is None:
        raise ModelError(
            f"{info.folder('text_encoder')} is a {names[0]}, which transformers {transformers.__version__} "
            f"does not know. {GET_ONE}"
        )
    inner = load_module(info, "text_encoder", cls, dtype).model
    encoder = getattr(inner, "language_model", inner)
    projections = _connectors(info, device, dtype, PROJECTIONS)
    return TextCodec(tokenizer, encoder.to(device), projections, info.text_tokens)


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
    folder: Path | None = None,
) -> Any:
    """The frozen transformer (`LTX2VideoTransformer3DModel`) on `device`.

    Args:
        info: the model.
        device: where the weights shall lie.
        dtype: of the weights.
        modalities: streams that will run; layers that would never run are neither made nor read, the
            audio-video attentions among them where one modality is absent.
        folder: with a transformer in place of the model's own, as full training writes it.

    Raises:
        ModelError: when it is missing or damaged.
    """
    from diffusers import LTX2VideoTransformer3DModel

    if folder is None:
        info.require("transformer")
    return load_part(
        folder or info.folder("transformer"),
        LTX2VideoTransformer3DModel,
        device,
        dtype,
        lambda name: runs_with(name, modalities),
        GET_ONE if folder is None else TRAIN_AGAIN,
    )


def _connectors(info: ModelInfo, device: Device, dtype: torch.dtype, parts: Collection[str]) -> Any:
    from diffusers.pipelines.ltx2 import LTX2TextConnectors

    info.require("connectors")
    return load_part(
        info.folder("connectors"), LTX2TextConnectors, device, dtype, lambda name: name.split(".")[0] in parts
    )
