"""What a model's configs say about sizes, factors and limits. No torch here: planning is fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ltx_core.diffusion.options import Schedule
from ltx_core.geometry.grid import AudioScale, VideoScale
from ltx_core.media.mel import MelSpec
from ltx_core.models.component import Component
from ltx_core.models.errors import GET_ONE, ModelError

VAE_CLASS = "AutoencoderKLLTX2Video"
DEFAULT_TEXT_TOKENS = 1024
"""Tokens of a caption that LTX-2 reads; used where a tokenizer states no limit or a larger one."""


@dataclass(frozen=True)
class Facts:
    """What is alike in the models of all families.

    Attributes:
        family: `ltx2` or `ltxv`.
        version: `2.0`, `2.3` or `2.5`; `0.9.0` to `0.9.8`.
        video_scale: pixels per latent along time, height, width.
        video_channels: channels of a video latent, which is a token.
        audio_scale: samples per audio latent; None when the model has no audio VAE.
        audio_channels, audio_bins: channels and mel bins of an audio latent; a token is their product.
        mel: the audio front end; None when the model has no audio VAE.
        wave_rate: samples per second of generated sound.
        text_tokens: tokens of a caption that the model reads; the rest is dropped.
        context_tokens: length of the text context, `text_tokens` up to a multiple of the registers.
        text_width: numbers of one caption token's stored features, over both modalities.
        blocks: number of transformer blocks.
        schedule: how the levels of sampling fall.
    """

    family: str
    version: str
    video_scale: VideoScale
    video_channels: int
    audio_scale: AudioScale | None
    audio_channels: int
    audio_bins: int
    mel: MelSpec | None
    wave_rate: int
    text_tokens: int
    context_tokens: int
    text_width: int
    blocks: int
    schedule: Schedule


def ltx2_facts(parts: Mapping[str, Component]) -> Facts:
    """Facts of a model of the LTX-2 family.

    Raises:
        ModelError: when a config is missing, damaged or not one that can be used.
    """
    transformer, audio = parts["transformer"].config, _config(parts, "audio_vae")
    connectors, vocoder = _config(parts, "connectors") or {}, _config(parts, "vocoder") or {}
    if transformer.get("patch_size", 1) != 1 or transformer.get("patch_size_t", 1) != 1:
        raise ModelError(
            f"{parts['transformer'].place} has a patch size other than 1; only 1 can be used. {GET_ONE}"
        )
    vae = _config(parts, "vae") or {}
    if vae.get("_class_name", VAE_CLASS) != VAE_CLASS:
        raise ModelError(
            f"{parts['vae'].place} is a {vae['_class_name']}, but {parts['transformer'].place} is an LTX-2 "
            f"transformer, whose video VAE is {VAE_CLASS}. {GET_ONE}"
        )
    factor = int(transformer.get("audio_scale_factor", 4))
    mel = None if audio is None else _mel_spec(parts.get("audio_processor"), audio)
    tokens = text_limit(_config(parts, "tokenizer"), DEFAULT_TEXT_TOKENS)
    registers = int(connectors.get("video_connector_num_learnable_registers") or 1)
    time, height, width = transformer.get("vae_scale_factors", (8, 32, 32))
    return Facts(
        family="ltx2",
        version=_version(transformer),
        video_scale=VideoScale(int(time), int(height), int(width)),
        video_channels=int(transformer.get("in_channels", 128)),
        audio_scale=None if mel is None else AudioScale(mel.sample_rate, mel.hop, factor),
        audio_channels=0 if audio is None else int(audio.get("latent_channels", 8)),
        audio_bins=0 if mel is None else mel.mel_bins // factor,
        mel=mel,
        wave_rate=int(vocoder.get("output_sampling_rate", 24000)),
        text_tokens=tokens,
        context_tokens=-(-tokens // registers) * registers,
        text_width=_text_width(connectors),
        blocks=int(transformer.get("num_layers", 48)),
        schedule=Schedule(),
    )


def text_limit(tokenizer: Mapping[str, Any] | None, most: int) -> int:
    """Tokens of a caption that are read: the tokenizer's limit, at most `most`."""
    return min(int((tokenizer or {}).get("model_max_length") or most), most)


def _config(parts: Mapping[str, Component], name: str) -> dict[str, Any] | None:
    return parts[name].config if name in parts else None


def _version(transformer: Mapping[str, Any]) -> str:
    if transformer.get("use_prompt_embeddings", True):
        return "2.0"
    newest = transformer.get("use_keyframes_abs_pos_embedding", False) or not transformer.get("ff_bias", True)
    return "2.5" if newest else "2.3"


def _text_width(connectors: Mapping[str, Any]) -> int:
    """Numbers of one caption token's features, over both modalities."""
    if connectors.get("per_modality_projections"):
        return int(connectors["video_hidden_dim"]) + int(connectors["audio_hidden_dim"])
    return int(connectors.get("caption_channels", 0))


def _mel_spec(processor: Component | None, audio: Mapping[str, Any]) -> MelSpec:
    """The front end's own file, else LTX-2's with the audio VAE's rate, hop and bins."""
    if processor is not None:
        try:
            return MelSpec(**processor.config)
        except TypeError as error:
            raise ModelError(
                f"{processor.place} does not describe an audio front end ({error}); "
                f"its keys are {', '.join(MelSpec.__dataclass_fields__)}."
            ) from error
    rate = int(audio.get("sample_rate", 16000))
    hop, bins = int(audio.get("mel_hop_length", 160)), int(audio.get("mel_bins") or 64)
    return MelSpec(sample_rate=rate, hop=hop, mel_bins=bins, f_max=rate / 2)
