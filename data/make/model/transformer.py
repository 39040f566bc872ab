"""Trains the connectors and the transformer together, on latents of clips and their captions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2 import LTX2TextConnectors
from torch import Tensor
from torch.nn.functional import mse_loss

from data.make.model import sizes
from data.make.model.loop import Schedule, train

WIDTH, LAYERS, HEADS = 128, 3, 4
AUDIO_WIDTH = 32
AUDIO_WEIGHT = 0.3
CAPTION_DROPOUT = 0.1
UNIFORM_SHARE, LEVEL_SHIFT = 0.2, 0.3
"""One noise level in five is uniform, the others are logit-normal around this mean."""


@dataclass(frozen=True)
class Lessons:
    """Tokens `[N, 48, 32]` and `[N, 11, 16]`, text features `[N, 16, 192]` and mask, and the empty text's."""

    video: Tensor
    audio: Tensor
    text: Tensor
    mask: Tensor
    no_text: Tensor
    no_mask: Tensor


def new_connectors() -> LTX2TextConnectors:
    """Untrained; one layer for each stream."""
    return LTX2TextConnectors(
        caption_channels=sizes.TEXT_WIDTH,
        text_proj_in_factor=3,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=32,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=sizes.TOKENS,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=32,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=sizes.TOKENS,
        connector_rope_base_seq_len=sizes.TOKENS,
        rope_theta=100.0,
        rope_double_precision=False,
        rope_type="split",
    )


def new_transformer() -> LTX2VideoTransformer3DModel:
    """Untrained; positions are stretched so that a tiny grid uses their whole range."""
    return LTX2VideoTransformer3DModel(
        in_channels=sizes.VIDEO_CHANNELS,
        out_channels=sizes.VIDEO_CHANNELS,
        num_attention_heads=HEADS,
        attention_head_dim=WIDTH // HEADS,
        cross_attention_dim=WIDTH,
        vae_scale_factors=(sizes.PATCH_TIME, sizes.PATCH_SIDE, sizes.PATCH_SIDE),
        pos_embed_max_pos=2,
        base_height=sizes.SIDE,
        base_width=sizes.SIDE,
        audio_in_channels=sizes.AUDIO_CHANNELS * sizes.AUDIO_BINS,
        audio_out_channels=sizes.AUDIO_CHANNELS * sizes.AUDIO_BINS,
        audio_num_attention_heads=HEADS,
        audio_attention_head_dim=AUDIO_WIDTH // HEADS,
        audio_cross_attention_dim=AUDIO_WIDTH,
        audio_scale_factor=4,
        audio_pos_embed_max_pos=2,
        audio_sampling_rate=sizes.MEL.sample_rate,
        audio_hop_length=sizes.MEL.hop,
        num_layers=LAYERS,
        caption_channels=sizes.TEXT_WIDTH,
        rope_theta=20.0,
        rope_double_precision=False,
        rope_type="split",
    )


def train_transformer(
    lessons: Lessons, steps: int, batch: int
) -> tuple[LTX2TextConnectors, LTX2VideoTransformer3DModel]:
    """Flow matching with one level for both streams, for which the stock forward pass is right."""
    connectors, transformer = new_connectors(), new_transformer()

    def loss(step: int) -> Tensor:
        chosen = torch.randint(len(lessons.video), (batch,))
        text, mask = lessons.text[chosen], lessons.mask[chosen]
        dropped = torch.rand(batch) < CAPTION_DROPOUT
        text = torch.where(dropped[:, None, None], lessons.no_text, text)
        mask = torch.where(dropped[:, None], lessons.no_mask, mask)
        return _flow_loss(
            (connectors, transformer), (lessons.video[chosen], lessons.audio[chosen]), (text, mask)
        )

    schedule = Schedule(steps, 2e-3, warm_up=30, floor=0.03)
    train("transformer", [connectors, transformer], loss, schedule)
    return connectors.eval(), transformer.eval()


def draw_levels(count: int) -> Tensor:
    """Noise levels `[count]` between 0 and 1."""
    normal = torch.sigmoid(torch.randn(count) + LEVEL_SHIFT)
    return torch.where(torch.rand(count) < UNIFORM_SHARE, torch.rand(count), normal)


def _flow_loss(
    models: tuple[LTX2TextConnectors, LTX2VideoTransformer3DModel],
    clean: tuple[Tensor, Tensor],
    text: tuple[Tensor, Tensor],
) -> Tensor:
    connectors, transformer = models
    video, audio = clean
    sigma = draw_levels(len(video))
    share = sigma.view(-1, 1, 1)
    video_noise, audio_noise = torch.randn_like(video), torch.randn_like(audio)
    video_text, audio_text, _ = connectors(*text)
    frames, height, width = sizes.GRID
    video_found, audio_found = transformer(
        hidden_states=(1 - share) * video + share * video_noise,
        audio_hidden_states=(1 - share) * audio + share * audio_noise,
        encoder_hidden_states=video_text,
        audio_encoder_hidden_states=audio_text,
        timestep=sigma * 1000,
        sigma=sigma * 1000,
        num_frames=frames,
        height=height,
        width=width,
        fps=float(sizes.FPS),
        audio_num_frames=audio.shape[1],
        return_dict=False,
    )
    video_loss = mse_loss(video_found, video_noise - video)
    return video_loss + AUDIO_WEIGHT * mse_loss(audio_found, audio_noise - audio)
