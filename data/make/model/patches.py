"""The video VAE's latent space: principal components of patches of 4 frames by 16x16 pixels.

A joint autoencoder of this size does not learn in the time there is. So the latent is fixed beforehand: the
whitened coefficients of a linear projection. The encoder learns to compute them, the decoder to do better.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from data.make.model import sizes

SAMPLED_PATCHES = 9000
OVERSAMPLING = 24


@dataclass(frozen=True)
class Components:
    """`centre` `[P]` and `basis` `[P, C]` of the patches; `mean` and `std` `[C]` of the coefficients."""

    centre: Tensor
    basis: Tensor
    mean: Tensor
    std: Tensor

    def encode(self, pixels: Tensor) -> Tensor:
        """uint8 `[N, 9, 64, 64, 3]` to latents `[N, C, 3, 4, 4]` of mean 0 and deviation 1."""
        coefficients = (patches(pixels) - self.centre) @ self.basis
        return ((coefficients - self.mean) / self.std).permute(0, 4, 1, 2, 3).contiguous()


def patches(pixels: Tensor) -> Tensor:
    """uint8 `[N, 9, 64, 64, 3]` to `[N, 3, 4, 4, P]`; the first frame fills the first patch alone."""
    video = pixels.float() / 127.5 - 1
    video = torch.cat([video[:, :1].repeat(1, sizes.PATCH_TIME - 1, 1, 1, 1), video], dim=1)
    side = sizes.PATCH_SIDE
    cut = video.unflatten(1, (-1, sizes.PATCH_TIME)).unflatten(3, (-1, side)).unflatten(5, (-1, side))
    return cut.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4)


def find_components(pixels: Tensor, channels: int, generator: torch.Generator) -> Components:
    """The strongest `channels` components of the clips' patches."""
    flat = patches(pixels).flatten(0, 3)
    centre = flat.mean(dim=0)
    chosen = flat[torch.randperm(len(flat), generator=generator)[:SAMPLED_PATCHES]] - centre
    rank = min(channels + OVERSAMPLING, len(chosen))
    _, _, basis = torch.svd_lowrank(chosen, q=rank, niter=2)
    coefficients = (flat - centre) @ basis[:, :channels]
    spread = coefficients.std(dim=0).clamp_min(1e-6)
    return Components(centre, basis[:, :channels].contiguous(), coefficients.mean(dim=0), spread)
