"""Trains the video VAE: 4x16x16 compression, 32 channels."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKLLTX2Video
from torch import Tensor
from torch.nn.functional import mse_loss

from data.make.model import sizes
from data.make.model.clips import Clips, to_video
from data.make.model.loop import Schedule, train
from data.make.model.patches import Components

JOINT_FROM = 0.6
"""From this share of the steps on, the decoder learns from the encoder's latents."""
STYLED_SHARE = 4
"""One clip of a batch in so many shows a style."""
LATENT_NOISE = 0.1
CONTRAST, CONTRAST_WEIGHT = 0.25, 4.0
"""Pixels that differ so much from the background weigh so much more."""


def new_video_vae() -> AutoencoderKLLTX2Video:
    """An untrained one. Its latents need no normalisation: mean 0, deviation 1 by making."""
    return AutoencoderKLLTX2Video(
        in_channels=3,
        out_channels=3,
        latent_channels=sizes.VIDEO_CHANNELS,
        block_out_channels=(32, 64),
        down_block_types=("LTX2VideoDownBlock3D",) * 2,
        decoder_block_out_channels=(32, 64),
        layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 2, 1),
        spatio_temporal_scaling=(True, True),
        decoder_spatio_temporal_scaling=(True, True),
        decoder_inject_noise=(False, False, False),
        downsample_type=("spatiotemporal", "spatiotemporal"),
        upsample_type=("spatiotemporal", "spatiotemporal"),
        upsample_residual=(True, True),
        upsample_factor=(1, 2),
        patch_size=4,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
        encoder_spatial_padding_mode="zeros",
        decoder_spatial_padding_mode="zeros",
    )


def train_video_vae(
    plain: Clips, styled: Clips, components: Components, steps: int, batch: int
) -> AutoencoderKLLTX2Video:
    """The encoder learns the components' coefficients, the decoder the pictures; at the end both together."""
    vae = new_video_vae()
    few = max(1, batch // STYLED_SHARE)

    def loss(step: int) -> Tensor:
        pixels = torch.cat(
            [
                plain.pixels[torch.randint(len(plain), (batch - few,))],
                styled.pixels[torch.randint(len(styled), (few,))],
            ]
        )
        video, wanted = to_video(pixels), components.encode(pixels)
        with torch.autocast("cpu", torch.bfloat16):
            found = vae.encode(video).latent_dist.mode()
            given = found if step > JOINT_FROM * steps else wanted
            decoded = vae.decode((given + LATENT_NOISE * torch.randn_like(wanted)).float()).sample
        return _picture_loss(decoded.float(), video) + 0.5 * mse_loss(found.float(), wanted)

    train("video_vae", [vae], loss, Schedule(steps, 2e-3, decay=1e-4))
    return vae.eval()


def _picture_loss(decoded: Tensor, video: Tensor) -> Tensor:
    background = video.flatten(3).median(dim=3).values[..., None, None]
    stands_out = (video - background).abs().amax(dim=1, keepdim=True) > CONTRAST
    weight = 1 + CONTRAST_WEIGHT * stands_out
    error = decoded - video
    return (weight * error.abs()).mean() + 2 * (weight * error.square()).mean()


@torch.no_grad()
def video_quality(vae: AutoencoderKLLTX2Video, clips: Clips) -> float:
    """Peak signal to noise ratio of the round trip in dB, mean over clips."""
    video = to_video(clips.pixels)
    error = (vae(video).sample.clamp(-1, 1) - video).square().mean(dim=(1, 2, 3, 4))
    return float((10 * torch.log10(4 / error)).mean())
