"""The families of models behind one interface: what a stage asks for, whatever the model.

A family is the functions of its module; nothing else of the project tells families apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ltx_core.models import ltx2
from ltx_core.models.codecs import AudioCodec, VideoCodec
from ltx_core.models.errors import ModelError
from ltx_core.models.forward import transformer_forward
from ltx_core.models.info import ModelInfo
from ltx_core.models.ltxv import load as ltxv
from ltx_core.models.ltxv.forward import ltxv_forward
from ltx_core.models.text import Captioned, Contexter
from ltx_core.models.velocity import Forward


@dataclass(frozen=True)
class Family:
    """What a family of models can do; every function takes the model's `ModelInfo` first.

    Attributes:
        load_video_vae: (info, device, dtype) -> its video VAE.
        load_audio: (info, device) -> its audio VAE and vocoder.
        load_text: (info, device, dtype, quantiser) -> captions to features.
        load_connectors: (info, device, dtype, modalities) -> features to contexts.
        load_transformer: (info, device, dtype, modalities, component, quantiser) -> the frozen transformer;
            `component` is one in place of the model's own.
        forward: the transformer's pass.
    """

    load_video_vae: Callable[..., VideoCodec]
    load_audio: Callable[..., AudioCodec]
    load_text: Callable[..., Captioned]
    load_connectors: Callable[..., Contexter]
    load_transformer: Callable[..., Any]
    forward: Forward


FAMILIES: Mapping[str, Family] = {
    "ltx2": Family(
        load_video_vae=ltx2.load_video_vae,
        load_audio=ltx2.load_audio,
        load_text=ltx2.load_text,
        load_connectors=ltx2.load_connectors,
        load_transformer=ltx2.load_transformer,
        forward=transformer_forward,
    ),
    "ltxv": Family(
        load_video_vae=ltxv.load_video_vae,
        load_audio=ltxv.load_audio,
        load_text=ltxv.load_text,
        load_connectors=ltxv.load_connectors,
        load_transformer=ltxv.load_transformer,
        forward=ltxv_forward,
    ),
}
"""By `ModelInfo.family`."""


def family_of(info: ModelInfo) -> Family:
    """The family of a model.

    Raises:
        ModelError: for a family that is not here.
    """
    if info.family not in FAMILIES:
        raise ModelError(f"no family is called {info.family!r}; there are {', '.join(FAMILIES)}")
    return FAMILIES[info.family]
