"""Pixels and waves to normalised latents and back.

The statistics lie in the VAEs; normalised latents are what the transformer sees. Results are float32.

A decoder that is conditioned on a noise level (LTX-Video from 0.9.1) is given a little noise and its level,
as the public pipelines do. The noise is the same for every sample and every call: decoding has one result.

A clip too large for one pass goes through the autoencoder in pieces (`tiling`), with the same result but for
rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ltx_core.media.mel import MelSpec, log_mel
from ltx_core.models.diffusion_decoder import DiffusionDecoder
from ltx_core.models.tiling.cut import TilingMode, decode_cut, encode_cut
from ltx_core.models.tiling.memory import factors
from ltx_core.models.tiling.stream import decode_in_pieces, encode_in_pieces

PRECISIONS = {torch.bfloat16: "bf16", torch.float16: "fp16"}
"""Names of the types other than float32."""
DECODE_SEED = 0
"""Seed of the noise of a decoder that takes some."""


@dataclass(frozen=True)
class VideoCodec:
    """The video VAE (`AutoencoderKLLTX2Video`, `AutoencoderKLLTXVideo`).

    Attributes:
        vae: the module.
        level: noise level that the decoder is told; None for one that is not conditioned on any.
        noise: share of noise in what it decodes.
        tiling: when a clip is cut into pieces.
        decoder: what decodes in place of the autoencoder.
    """

    vae: Any
    level: float | None = None
    noise: float = 0.0
    tiling: TilingMode = "auto"
    decoder: DiffusionDecoder | None = None

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Normalised latents `[B, C, f, h, w]` of `pixels` `[B, 3, F, H, W]` in [-1, 1].

        F must be factor*k + 1 and H, W multiples of the factor (`geometry.units.video_grid` checks it).
        """
        latents = self._means(pixels)
        mean, std = self._statistics(latents)
        normalised: Tensor = (latents - mean) * self.vae.config.scaling_factor / std
        return normalised

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pixels `[B, 3, F, H, W]` in [-1, 1] of normalised latents `[B, C, f, h, w]`.

        Raises:
            ModelError: when the diffusion decoder is wanted and missing or damaged.
        """
        if self.decoder is not None:
            return self.decoder.decode(latents)
        latents = latents.to(self.vae.device, torch.float32)
        mean, std = self._statistics(latents)
        raw = latents * std / self.vae.config.scaling_factor + mean
        pixels = self._pixels(raw, None) if self.level is None else self._denoised(raw, self.level)
        return pixels.float().clamp(-1, 1)

    def _means(self, pixels: Tensor) -> Tensor:
        frames, height, width = pixels.shape[2:]
        cut = encode_cut(self._config, (frames, height, width), self._precision, self.tiling)
        if cut is not None:
            return encode_in_pieces(self.vae, pixels, cut)
        means: Tensor = self.vae.encode(pixels.to(self.vae.device, self.vae.dtype)).latent_dist.mode()
        return means.float()

    def _pixels(self, raw: Tensor, levels: Tensor | None) -> Tensor:
        frames, height, width = raw.shape[2:]
        time, space = factors(self._config)
        size = ((frames - 1) * time + 1, height * space, width * space)
        cut = decode_cut(self._config, size, self._precision, self.tiling)
        if cut is not None:
            return decode_in_pieces(self.vae, raw, cut, levels)
        pixels: Tensor = self.vae.decode(raw.to(self.vae.dtype), levels, return_dict=False)[0]
        return pixels

    @property
    def _config(self) -> dict[str, Any]:
        return {**self.vae.config, "_class_name": type(self.vae).__name__}

    @property
    def _precision(self) -> str:
        return PRECISIONS.get(self.vae.dtype, "no")

    def _denoised(self, raw: Tensor, level: float) -> Tensor:
        """Pixels of latents with a little noise, by a decoder that takes the rest of it away."""
        drawn = torch.randn(raw.shape[1:], generator=torch.Generator().manual_seed(DECODE_SEED))
        noisy = (1 - self.noise) * raw + self.noise * drawn.to(raw)
        levels = torch.full((len(raw),), level, device=raw.device, dtype=self.vae.dtype)
        with _seeded(raw.device):  # some decoders draw further noise between their layers
            return self._pixels(noisy, levels)

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (1, -1, 1, 1, 1)
        return self.vae.latents_mean.to(like).view(shape), self.vae.latents_std.to(like).view(shape)


@contextmanager
def _seeded(device: torch.device) -> Iterator[None]:
    """Inside the block the global random state is `DECODE_SEED`'s; afterwards it is as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(DECODE_SEED)
        yield


def exact(device: torch.device) -> torch.autocast:
    """Inside the block nothing is cast, whatever autocast the caller has on: sound needs float32."""
    return torch.autocast(device.type, enabled=False)


@dataclass(frozen=True)
class AudioCodec:
    """The audio VAE (`AutoencoderKLLTX2Audio`) with its front end and vocoder; always float32."""

    vae: Any
    vocoder: Any
    mel: MelSpec
    rate: int
    """Samples per second of decoded sound."""
    factor: int = 4
    """Mel frames of one latent."""

    @property
    def channels(self) -> int:
        """Channels of a latent; a token is channels * mel bins wide."""
        return int(self.vae.config.latent_channels)

    @torch.no_grad()
    def encode(self, wave: Tensor) -> Tensor:
        """Normalised latents `[B, c, T, m]` of `wave` `[B, 2, S]` at the front end's sample rate.

        T is what the samples give, often one more than round(latents per second * duration).
        """
        with exact(self.vae.device):
            picture = log_mel(wave.to(self.vae.device, torch.float32), self.mel)
            latents: Tensor = self.vae.encode(picture).latent_dist.mode()
        mean, std = self._statistics(latents)
        return (latents - mean) / std

    @torch.no_grad()
    def decode(self, latents: Tensor) -> tuple[Tensor, int]:
        """Wave `[B, 2, S]` and its sample rate, of normalised latents `[B, c, T, m]`."""
        latents = latents.to(self.vae.device, torch.float32)
        mean, std = self._statistics(latents)
        with exact(self.vae.device):
            picture = self.vae.decode(latents * std + mean, return_dict=False)[0]
            wave: Tensor = self.vocoder(picture)
        return wave, self.rate

    def _statistics(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """The statistics `[c*m]` lie in token order, channel * bins + bin."""
        shape = (1, latents.shape[1], 1, latents.shape[3])
        return self.vae.latents_mean.view(shape), self.vae.latents_std.view(shape)
