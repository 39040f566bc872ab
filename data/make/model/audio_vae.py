"""Trains the audio VAE: 4 channels of 4 bins, 10 latents a second."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKLLTX2Audio
from torch import Tensor

from data.make.model import sizes
from data.make.model.clips import Clips
from data.make.model.loop import Schedule, train

KL_WEIGHT = 1e-3


def new_audio_vae() -> AutoencoderKLLTX2Audio:
    """An untrained one; `base_channels` must be latent channels times mel bins / 4, `ch_mult` of length 3."""
    return AutoencoderKLLTX2Audio(
        base_channels=sizes.AUDIO_CHANNELS * sizes.MEL.mel_bins // 4,
        output_channels=2,
        ch_mult=(1, 2, 2),
        num_res_blocks=1,
        attn_resolutions=None,
        in_channels=2,
        resolution=sizes.MEL.mel_bins,
        latent_channels=sizes.AUDIO_CHANNELS,
        norm_type="pixel",
        causality_axis="height",
        mid_block_add_attention=False,
        sample_rate=sizes.MEL.sample_rate,
        mel_hop_length=sizes.MEL.hop,
        is_causal=True,
        mel_bins=sizes.MEL.mel_bins,
        double_z=True,
    )


def train_audio_vae(clips: Clips, steps: int, batch: int) -> AutoencoderKLLTX2Audio:
    """Trained on the round trip of mel pictures; then its latents' statistics are measured and kept in it."""
    vae = new_audio_vae()

    def loss(step: int) -> Tensor:
        mel = clips.mels[torch.randint(len(clips), (batch,))]
        found = vae.encode(mel).latent_dist
        error = vae.decode(found.sample()).sample - mel
        return (
            error.abs().mean() + error.square().mean() + KL_WEIGHT * found.kl().mean() / found.mean[0].numel()
        )

    train("audio_vae", [vae], loss, Schedule(steps, 2e-3, warm_up=30))
    with torch.no_grad():
        packed = pack_audio(vae.encode(clips.mels[:800]).latent_dist.mode())
        vae.latents_mean.copy_(packed.mean(dim=(0, 1)))
        vae.latents_std.copy_(packed.std(dim=(0, 1)).clamp_min(1e-3))
    return vae.eval()


def pack_audio(latents: Tensor) -> Tensor:
    """`[N, C, T, bins]` to tokens `[N, T, C * bins]`."""
    return latents.transpose(1, 2).flatten(2)


@torch.no_grad()
def audio_tokens(vae: AutoencoderKLLTX2Audio, mels: Tensor) -> Tensor:
    """Normalised tokens `[N, 11, 16]` of mel pictures `[N, 2, 41, 16]`."""
    return (pack_audio(vae.encode(mels).latent_dist.mode()) - vae.latents_mean) / vae.latents_std


@torch.no_grad()
def audio_quality(vae: AutoencoderKLLTX2Audio, clips: Clips) -> float:
    """Mean absolute error of the round trip in nepers (natural logarithm of the magnitude)."""
    return float((vae(clips.mels).sample - clips.mels).abs().mean()) * sizes.MEL.std
