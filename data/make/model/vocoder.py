"""Trains the vocoder: from the audio VAE's mel pictures (40 a second) to a stereo wave at 8 kHz.

A convolution over pictures that stand still can only make waves that repeat with every picture, that is
multiples of 40 Hz, which is too coarse for a hum of 220 Hz. What breaks the symmetry is where a clip begins
and ends. So the first layers see the whole clip (dilations up to 27 pictures), and can tell a picture's place
from it. The loss compares magnitudes alone: no phase is right or wrong.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKLLTX2Audio
from diffusers.pipelines.ltx2 import LTX2Vocoder
from torch import Tensor

from data.make import shapes
from data.make.model import sizes
from data.make.model.loop import Schedule, train
from ltx_core.media.mel import log_mel

SPECTRA = ((128, 32), (512, 128), (1024, 256), (4096, 1024))
"""Window and hop of the spectra that are compared. The longest tells frequencies 2 Hz apart."""
LOG_FLOOR, LOG_WEIGHT = 1e-2, 0.3
LATENT_NOISE = 0.1
"""Noise on the latents, as a share of their deviation: the transformer's are not exact either."""


def new_vocoder() -> LTX2Vocoder:
    """Untrained; 2 x 16 mel bins in, 200 samples a picture out."""
    return LTX2Vocoder(
        in_channels=2 * sizes.MEL.mel_bins,
        hidden_channels=256,
        out_channels=2,
        upsample_factors=[1, 1, 10, 20],
        upsample_kernel_sizes=[3, 3, 20, 40],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 9, 27]],
        output_sampling_rate=sizes.MEL.sample_rate,
    )


def make_waves(count: int, rng: np.random.Generator) -> Tensor:
    """`count` tones `[N, 2, 8200]` of all kinds, as long as the pictures of a clip say."""
    pool = shapes.scenes()
    takes = [shapes.draw_take(pool[i], rng) for i in rng.integers(0, len(pool), count)]
    seconds = sizes.MEL_FRAMES * sizes.MEL.hop / sizes.MEL.sample_rate
    return torch.from_numpy(np.stack([shapes.tone(take, seconds, sizes.MEL.sample_rate) for take in takes]))


@torch.no_grad()
def seen_by_vae(vae: AutoencoderKLLTX2Audio, waves: Tensor, noise: float = LATENT_NOISE) -> Tensor:
    """The mel pictures `[N, 2, 41, 16]` of `waves` after the VAE's round trip with noisy latents."""
    latents = vae.encode(log_mel(waves[..., : sizes.SAMPLES], sizes.MEL)).latent_dist.mode()
    spread = latents.std(dim=(0, 2), keepdim=True)
    return vae.decode(latents + noise * spread * torch.randn_like(latents)).sample


def spectral_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Difference of magnitudes and of their logarithms, mean over the window lengths."""
    total = torch.zeros(())
    for size, hop in SPECTRA:
        one, two = _magnitudes(made, size, hop), _magnitudes(wanted, size, hop)
        logarithms = (one + LOG_FLOOR).log() - (two + LOG_FLOOR).log()
        total = total + (one - two).norm() / two.norm() + LOG_WEIGHT * logarithms.abs().mean()
    return total / len(SPECTRA)


def _magnitudes(wave: Tensor, size: int, hop: int) -> Tensor:
    """1 for a sine of amplitude 1."""
    spectrum = torch.stft(
        wave.flatten(0, 1), size, hop, window=torch.hann_window(size), center=True, return_complex=True
    )
    return spectrum.abs() / (size / 4)


def train_vocoder(vae: AutoencoderKLLTX2Audio, waves: Tensor, steps: int, batch: int) -> LTX2Vocoder:
    """Trained on what the audio VAE makes of `waves`."""
    vocoder = new_vocoder()
    pictures = torch.cat([seen_by_vae(vae, part) for part in waves.split(100)])

    def loss(step: int) -> Tensor:
        chosen = torch.randint(len(waves), (batch,))
        return spectral_loss(vocoder(pictures[chosen]), waves[chosen])

    train("vocoder", [vocoder], loss, Schedule(steps, 2e-3, betas=(0.8, 0.99)))
    return vocoder.eval()
