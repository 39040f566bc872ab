"""Video autoencoders in pieces: the numbers of the whole, no seam, and an estimate of memory that holds."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
from live_tensors import LiveTensors
from torch import nn
from zoo import ltx2_parts, ltxv_parts

from ltx_core.models.codecs import VideoCodec
from ltx_core.models.tiling import memory as tiling_memory
from ltx_core.models.tiling.cut import PIECE_BYTES, Cut, decode_cut, encode_cut
from ltx_core.models.tiling.memory import (
    Size,
    complete,
    decode_peak_bytes,
    decoder_layers,
    encode_peak_bytes,
    encoder_layers,
    factors,
)
from ltx_core.models.tiling.stream import decode_in_pieces, encode_in_pieces

DEMO = Path(__file__).parents[3] / "data" / "model" / "vae"
BOUND = 1e-5
"""Largest difference between pieces and the whole, as a share of the largest value: float32 rounding."""
VERSIONS = [("ltx2", "2.0"), ("ltx2", "2.3"), ("ltxv", "0.9.0"), ("ltxv", "0.9.1"), ("ltxv", "0.9.5")]
HD = (89, 544, 960)


def autoencoder(family, version):
    """A tiny one in the version's structure, every weight of which does something."""
    torch.manual_seed(0)
    vae = (ltx2_parts if family == "ltx2" else ltxv_parts).video_vae(version).eval().requires_grad_(False)
    for weight in vae.parameters():
        if weight.ndim < 2 or not weight.any():
            nn.init.normal_(weight, 0, 0.1)
    return vae


def config_of(vae):
    return {**vae.config, "_class_name": type(vae).__name__}


def difference(found, expected):
    assert found.shape == expected.shape
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.fixture(scope="module")
def demo():
    from diffusers import AutoencoderKLLTX2Video

    return AutoencoderKLLTX2Video.from_pretrained(DEMO, local_files_only=True).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def moving():
    """A disc that moves over a gradient `[1, 3, 33, 96, 128]`."""
    rows, columns = torch.linspace(-1, 1, 96)[:, None], torch.linspace(-1, 1, 128)[None]
    frames = []
    for number in range(33):
        inside = (rows - 0.3) ** 2 + (columns - number / 20 + 0.8) ** 2 < 0.08
        frames.append(torch.stack([rows.expand(96, 128), columns.expand(96, 128), inside * 1.6 - 0.8]))
    return torch.stack(frames, 1)[None]


@pytest.mark.parametrize("axis", ["time", "rows"])
@pytest.mark.parametrize(("family", "version"), VERSIONS)
def test_pieces_give_the_numbers_of_the_whole(family, version, axis):
    vae = autoencoder(family, version)
    pixels = torch.rand(1, 3, 17, 96, 64) * 2 - 1
    whole = vae.encode(pixels).latent_dist.mode()
    level = torch.tensor([0.05]) if vae.config.timestep_conditioning else None
    torch.manual_seed(1)  # 0.9.1 draws noise between its layers, one picture a layer
    shown = vae.decode(whole, level, return_dict=False)[0]
    for piece in (1, 2):
        assert difference(encode_in_pieces(vae, pixels, Cut(axis, piece)), whole) < BOUND
        torch.manual_seed(1)
        assert difference(decode_in_pieces(vae, whole, Cut(axis, piece), level), shown) < BOUND


@pytest.mark.parametrize("axis", ["time", "rows"])
def test_a_trained_autoencoder_shows_no_seam_and_independent_pieces_would(demo, moving, axis):
    index = {"time": 2, "rows": 3}[axis]
    latents = demo.encode(moving).latent_dist.mode()
    whole = demo.decode(latents, return_dict=False)[0]
    assert difference(encode_in_pieces(demo, moving, Cut(axis, 2)), latents) < BOUND
    found = decode_in_pieces(demo, latents, Cut(axis, 2))
    assert difference(found, whole) < BOUND
    parts = [demo.decode(part, return_dict=False)[0] for part in latents.split(2, index)]
    if axis == "rows":  # along time independent pieces do not even have the whole's length
        apart = torch.cat(parts, index)
        error = (apart - whole).abs().mean((0, 1, 2, 4))
        joints = list(range(32, 96, 32))
        beside = torch.stack([error[joint - 1 : joint + 1].mean() for joint in joints])
        assert beside.min() > 3 * error.median() > 1e4 * (found - whole).abs().mean()
    else:
        assert sum(part.shape[2] for part in parts) < whole.shape[2]


def test_the_first_frame_knows_nothing_of_those_behind_it(demo, moving):
    alone = demo.encode(moving[:, :, :1]).latent_dist.mode()
    found = encode_in_pieces(demo, moving, Cut("time", 1))
    assert difference(found[:, :, :1], alone) < BOUND
    assert found.shape[2] == (33 - 1) // 4 + 1


def test_a_codec_in_pieces_agrees_with_one_at_once(demo, moving):
    once, pieces = VideoCodec(demo, tiling="never"), VideoCodec(demo, tiling="always")
    latents = once.encode(moving)
    assert torch.equal(VideoCodec(demo).encode(moving), latents)
    assert difference(pieces.encode(moving), latents) < BOUND
    assert difference(pieces.decode(latents), once.decode(latents)) < BOUND


@pytest.mark.parametrize(("family", "version"), VERSIONS)
def test_layers_and_factors_are_read_from_the_config(family, version):
    vae = autoencoder(family, version)
    config = config_of(vae)
    assert factors(config) == (8, 32)
    for side, layers in (("encoder", encoder_layers), ("decoder", decoder_layers)):
        expected = [layer.result for layer in layers(complete(config), Size(17, 64, 96))]
        seen = _shapes_of(getattr(vae, side))
        if side == "encoder":
            latents = vae.encode(torch.zeros(1, 3, 17, 64, 96)).latent_dist.mode()
        else:
            vae.decode(latents, torch.tensor([0.05]) if config["timestep_conditioning"] else None)
        sizes = [(size.channels, size.frames, size.height, size.width) for size in expected]
        plain = side == "encoder" and version in ("0.9.0", "0.9.1")  # there a sampler is a mere convolution
        assert [tuple(shape[1:]) for shape in seen] == (_resnets(layers, config) if plain else sizes)


def _shapes_of(module):
    """Gets the shape of what each residual block and sampler gives, in the order in which they run."""
    shapes = []
    for inner in module.modules():
        if type(inner).__name__.endswith(("ResnetBlock3d", "sampler3d")):
            inner.register_forward_hook(lambda *call: shapes.append(call[2].shape))
    return shapes


def _resnets(layers, config):
    found = [layer.result for layer in layers(complete(config), Size(17, 64, 96)) if layer.kind == "resnet"]
    return [(size.channels, size.frames, size.height, size.width) for size in found]


@pytest.mark.parametrize("name", ["AutoencoderKLLTX2Video", "AutoencoderKLLTXVideo"])
def test_what_a_config_leaves_out_is_what_the_library_takes(name):
    import diffusers

    fields = inspect.signature(getattr(diffusers, name).__init__).parameters
    for key, value in complete({"_class_name": name}).items():
        if key in fields:
            assert value == fields[key].default, key
    assert set(tiling_memory.LTX2) <= set(complete({"_class_name": name}))


@pytest.mark.parametrize(("axis", "clip"), [("time", (65, 64, 64)), ("rows", (9, 320, 64))])
def test_the_estimate_is_close_to_the_memory_of_the_living_tensors(axis, clip):
    from diffusers import AutoencoderKLLTX2Video

    torch.manual_seed(0)
    vae = AutoencoderKLLTX2Video(
        latent_channels=32,
        block_out_channels=(32, 64, 128, 256),
        decoder_block_out_channels=(32, 64, 128),
        layers_per_block=(2, 2, 2, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 2),
        decoder_causal=False,
    )
    vae.eval().requires_grad_(False)
    config = config_of(vae)
    pixels = torch.rand(1, 3, *clip)
    latents = vae.encode(pixels).latent_dist.mode()
    with LiveTensors() as encoding:
        vae.encode(pixels)
    with LiveTensors() as decoding:
        vae.decode(latents)
    assert encoding.peak == pytest.approx(encode_peak_bytes(config, *clip, "no"), rel=0.2)
    assert decoding.peak == pytest.approx(decode_peak_bytes(config, *clip, "no"), rel=0.2)
    with LiveTensors() as pieces:
        encode_in_pieces(vae, pixels, Cut(axis, 1))
    estimate = encode_peak_bytes(config, *clip, "no", 1, axis)
    assert 0.5 * estimate < pieces.peak < 1.5 * estimate
    assert pieces.peak < 0.5 * encoding.peak


def test_the_size_and_the_config_decide_what_is_cut():
    large = {"_class_name": "AutoencoderKLLTX2Video", "latent_channels": 128, "decoder_causal": False}
    older = {"_class_name": "AutoencoderKLLTXVideo", "latent_channels": 128}
    for config in (large, older):
        for dtype in ("bf16", "no"):
            assert encode_cut(config, HD, dtype) is None
            assert decode_cut(config, HD, dtype) is None
        for cut, peak in ((encode_cut, encode_peak_bytes), (decode_cut, decode_peak_bytes)):
            found = cut(config, (257, 1088, 1920), "bf16")
            assert found is not None
            assert peak(config, 257, 1088, 1920, "bf16", found.piece, found.axis) <= PIECE_BYTES
            assert cut(config, (257, 1088, 1920), "bf16", "never") is None
            assert cut(config, HD, "bf16", "always").piece == 1
            assert cut({**config, "patch_size_t": 2}, HD, "bf16", "always") is None
    assert encode_cut(large, (1, 32, 32), "bf16", "always") is None
