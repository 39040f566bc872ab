"""A tiny random transformer and streams that fit it."""

from __future__ import annotations

import pytest
import torch

from ltx_core.geometry.grid import AudioGrid, AudioScale, VideoGrid, VideoScale
from ltx_core.models.stream import Stream

SIZES = {
    "in_channels": 8,
    "out_channels": 8,
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "cross_attention_dim": 24,
    "audio_in_channels": 8,
    "audio_out_channels": 8,
    "audio_num_attention_heads": 2,
    "audio_attention_head_dim": 8,
    "audio_cross_attention_dim": 16,
    "num_layers": 2,
    "caption_channels": 20,
    "rope_type": "split",
}
NEWER = {
    "gated_attn": True,
    "cross_attn_mod": True,
    "audio_gated_attn": True,
    "audio_cross_attn_mod": True,
    "use_prompt_embeddings": False,
}


@pytest.fixture
def transformer():
    """Build the tiny transformer; `newer` gives the layout of 2.3, else of 2.0."""

    def build(newer=True, **changes):
        from diffusers import LTX2VideoTransformer3DModel

        torch.manual_seed(0)
        return LTX2VideoTransformer3DModel(**{**SIZES, **(NEWER if newer else {}), **changes}).eval()

    return build


@pytest.fixture
def streams():
    """Video and audio streams with held tokens and different levels."""

    def build(newer=True, batch=2):
        draw = torch.Generator().manual_seed(1)
        video = VideoGrid(3, 2, 2, VideoScale(8, 32, 32)).positions()
        audio = AudioGrid(5, AudioScale(16000, 160)).positions()
        result = {}
        for name, positions, level, width in (("video", video, 0.7, 24), ("audio", audio, 0.3, 16)):
            count = positions.shape[1]
            sigma = torch.full((batch,), level)
            timesteps = sigma[:, None].repeat(1, count)
            timesteps[:, :2] = 0
            result[name] = Stream(
                tokens=torch.randn(batch, count, 8, generator=draw),
                timesteps=timesteps,
                sigma=sigma,
                positions=positions.expand(batch, *positions.shape),
                context=torch.randn(batch, 6, width if newer else 20, generator=draw),
            )
        return result

    return build


@pytest.fixture
def demo_streams():
    """Streams that fit the demo's model."""
    draw = torch.Generator().manual_seed(2)
    result = {}
    for name, positions, channels in (
        ("video", VideoGrid(3, 4, 4, VideoScale(4, 16, 16), 8.0).positions(), 32),
        ("audio", AudioGrid(11, AudioScale(8000, 200)).positions(), 16),
    ):
        count = positions.shape[1]
        result[name] = Stream(
            tokens=torch.randn(1, count, channels, generator=draw),
            timesteps=torch.full((1, count), 0.6),
            sigma=torch.full((1,), 0.6),
            positions=positions[None],
            context=torch.randn(1, 16, 64, generator=draw),
        )
    return result
