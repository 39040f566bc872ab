"""What a model in the original layout gives, against the reference's outputs on the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from ltx_core.models import ltx2
from ltx_core.models.forward import transformer_forward
from ltx_core.models.stream import Stream
from ltx_core.models.text import project

DATA = Path(__file__).parent / "data"
TOLERANCE, DECODED = 1e-5, 1e-4


def transformer_error(info, golden):
    streams = {}
    for name in ("video", "audio"):
        one = {
            field: golden[f"transformer.{name}.{field}"]
            for field in ("tokens", "sigma", "positions", "context")
        }
        streams[name] = Stream(timesteps=one["sigma"][:, None].expand(one["tokens"].shape[:2]), **one)
    with torch.no_grad():
        found = transformer_forward(ltx2.load_transformer(info), streams["video"], streams["audio"])
    wanted = (golden[f"transformer.{name}.velocity"] for name in ("video", "audio"))
    return max((one - other).abs().max() for one, other in zip(found, wanted, strict=True))


def video_errors(info, golden):
    """Of the encoder and of the decoder, which gets the reference's latents."""
    codec = ltx2.load_video_vae(info)
    latents = codec.encode(golden["vae.pixels"])
    pixels = codec.decode(golden["vae.latents"])
    return (
        (latents - golden["vae.latents"]).abs().max(),
        (pixels - golden["vae.decoded"].clamp(-1, 1)).abs().max(),
    )


@torch.no_grad()
def audio_errors(info, golden):
    """Of the encoder, of the decoder and of the vocoder, each given the reference's input."""
    codec = ltx2.load_audio(info)
    mean, std = codec._statistics(golden["audio_vae.latents"])
    latents = (codec.vae.encode(golden["audio_vae.mel"]).latent_dist.mode() - mean) / std
    picture = codec.vae.decode(golden["audio_vae.latents"] * std + mean, return_dict=False)[0]
    wave = codec.vocoder(golden["audio_vae.decoded"])
    return (
        (latents - golden["audio_vae.latents"]).abs().max(),
        (picture - golden["audio_vae.decoded"]).abs().max(),
        (wave - golden["vocoder.waveform"]).abs().max(),
    )


def text_error(info, golden):
    """Of projections and connectors, which get the hidden states of the valid tokens alone."""
    projections = ltx2._connectors(info, "cpu", torch.float32, ltx2.PROJECTIONS)
    length = golden["text.attention_mask"].shape[1]
    connectors = replace(ltx2.load_connectors(info), length=length)
    errors = []
    for index, mask in enumerate(golden["text.attention_mask"].bool()):
        features = project(projections, golden["text.hidden_states"][index, mask][None])
        one = {name: value[0] for name, value in features.items()}
        for name in ("video", "audio"):
            found = connectors.context([one], name)[0]
            errors.append((found - golden[f"text.{name}_encoding"][index]).abs().max())
    return max(errors)


def outputs(name):
    return load_file(DATA / name)
