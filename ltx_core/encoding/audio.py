"""A clip's sound as latents, as long as sampling makes them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltx_core.encoding.storage import StorageType, stored
from ltx_core.geometry.grid import AudioScale
from ltx_core.geometry.units import audio_steps
from ltx_core.models.codecs import AudioCodec


def encode_audio(
    codec: AudioCodec, wave: NDArray[np.float32], seconds: float, dtype: StorageType = "float32"
) -> Tensor:
    """Normalised latents `[c, T, m]` of `wave` `[2, S]` at the front end's sample rate.

    T is round(latents per second * seconds); the VAE often gives one step more, which is cut off.

    Raises:
        ValueError: when the wave is shorter than `seconds`, or too short for the front end.
    """
    steps = audio_steps(seconds, scale_of(codec))
    latents = codec.encode(torch.from_numpy(np.ascontiguousarray(wave))[None])[0]
    if latents.shape[1] < steps:
        raise ValueError(
            f"{wave.shape[-1]} samples give {latents.shape[1]} audio latents; {seconds:g} s need {steps}: "
            f"pad the wave to {round(seconds * codec.mel.sample_rate)} samples"
        )
    return stored(latents[:, :steps], dtype)


def scale_of(codec: AudioCodec) -> AudioScale:
    """Rate, hop and latent factor of a codec."""
    return AudioScale(codec.mel.sample_rate, codec.mel.hop, codec.factor)
