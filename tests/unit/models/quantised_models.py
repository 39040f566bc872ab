"""Small transformers of both families, with rows of whole groups and of parts of one, and their inputs."""

from __future__ import annotations

import torch

from ltx_core.geometry.grid import AudioGrid, AudioScale, VideoGrid, VideoScale
from ltx_core.models.forward import transformer_forward
from ltx_core.models.ltxv.forward import ltxv_forward
from ltx_core.models.quantise.layers import QuantisedLinear, quantise
from ltx_core.models.quantise.methods import SKIP_TRANSFORMER
from ltx_core.models.stream import Stream

FORWARDS = {"ltx2": transformer_forward, "ltxv": ltxv_forward}
HEADS, CHANNELS, TEXT = 2, 8, 20
WIDTHS = {"ltx2": {"video": 128, "audio": 40}, "ltxv": {"video": 80}}
"""Numbers in a row: two groups of 64, part of one, one and a part."""


def build(family, layers=2):
    """A random frozen transformer."""
    from diffusers import LTX2VideoTransformer3DModel, LTXVideoTransformer3DModel

    torch.manual_seed(0)
    widths = WIDTHS[family]
    sizes = {
        "in_channels": CHANNELS,
        "out_channels": CHANNELS,
        "num_attention_heads": HEADS,
        "attention_head_dim": widths["video"] // HEADS,
        "cross_attention_dim": widths["video"],
        "num_layers": layers,
        "caption_channels": TEXT,
    }
    if family == "ltxv":
        return settled(LTXVideoTransformer3DModel(**sizes))
    model = LTX2VideoTransformer3DModel(
        **sizes,
        audio_in_channels=CHANNELS,
        audio_out_channels=CHANNELS,
        audio_num_attention_heads=HEADS,
        audio_attention_head_dim=widths["audio"] // HEADS,
        audio_cross_attention_dim=widths["audio"],
        rope_type="split",
        gated_attn=True,
        cross_attn_mod=True,
        audio_gated_attn=True,
        audio_cross_attn_mod=True,
        use_prompt_embeddings=False,
    )
    return settled(model)


def settled(model):
    """Frozen, with gates of a trained model's size: as made, blocks would hardly change the output."""
    model.eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if name.endswith("scale_shift_table"):
            parameter.normal_()
    return model


def streams(family, seed=1):
    """Streams of two samples that fit `build`'s model."""
    draw = torch.Generator().manual_seed(seed)
    found = {"video": None, "audio": None}
    video = VideoGrid(3, 2, 2, VideoScale(8, 32, 32)).positions()
    audio = AudioGrid(5, AudioScale(16000, 160)).positions()
    for name, width in WIDTHS[family].items():
        positions = {"video": video, "audio": audio}[name]
        count = positions.shape[1]
        sigma = torch.rand(2, generator=draw)
        found[name] = Stream(
            tokens=torch.randn(2, count, CHANNELS, generator=draw),
            timesteps=sigma[:, None].repeat(1, count),
            sigma=sigma,
            positions=positions.expand(2, *positions.shape),
            context=torch.randn(2, 6, TEXT if family == "ltxv" else width, generator=draw),
        )
    return found


def run(family, model, given, checkpointing=0):
    """The velocities of a forward pass, one after the other `[tokens, channels]`."""
    outputs = FORWARDS[family](model, given["video"], given["audio"], checkpointing=checkpointing)
    return torch.cat([output.flatten(0, 1) for output in outputs if output is not None])


def pair(family, method):
    """A quantised model, and one of plain layers with the weights as they are read back."""
    quantised, plain = build(family), build(family)
    quantise(quantised, method, SKIP_TRANSFORMER)
    for name, module in quantised.named_modules():
        if isinstance(module, QuantisedLinear):
            plain.get_submodule(name).weight.copy_(module.weight)
    return quantised, plain
