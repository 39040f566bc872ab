"""The diffusion decoder: our attention and our decode against the library's, and models that need it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ltx_core.config.load import load
from ltx_core.models.diffusion_decoder import DECODE_SEED, NeighbourAttention
from ltx_core.models.errors import ModelError
from ltx_core.models.info import ModelInfo
from ltx_core.models.ltx2 import load_video_vae
from ltx_core.run import Pipeline

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "data" / "model"
WEIGHTS = "diffusion_pytorch_model.safetensors"
DECODER = {  # 4 x 16 x 16 pixels of a latent with 32 channels, as the demo's autoencoder
    "latent_channels": 32,
    "decoder_head_dim": 8,
    "decoder_stage_channels": (32, 16, 8, 8),
    "decoder_stage_depths": (1, 1, 1, 2),
    "decoder_stage_kernels": ((3, 3, 3), (3, 3, 3), (3, 5, 5)),
    "decoder_upsample_strides": ((1, 2, 2), (2, 1, 1), (2, 2, 2)),
    "decoder_upsample_channel_reductions": (2, 2, 1),
    "decoder_stage5_kernel": (5, 5, 5),
    "decoder_t_emb_dim": 16,
    "spatial_compression_ratio": 16,
    "temporal_compression_ratio": 4,
}


@pytest.fixture(scope="module")
def decoder():
    from diffusers import LTX2VideoDiffusionDecoderModel

    torch.manual_seed(0)
    module = LTX2VideoDiffusionDecoderModel(**DECODER).eval().requires_grad_(False)
    module.latents_mean.normal_(0, 0.1)
    module.latents_std.uniform_(0.5, 1.5)
    return module


@pytest.fixture(scope="module")
def model(decoder, tmp_path_factory):
    """The demo's model with a diffusion decoder, whose autoencoder has no decoder of its own."""
    folder = tmp_path_factory.mktemp("model") / "model"
    shutil.copytree(MODEL, folder)
    decoder.save_pretrained(folder / "diffusion_decoder")
    weights = load_file(folder / "vae" / WEIGHTS)
    save_file({k: v for k, v in weights.items() if not k.startswith("decoder.")}, folder / "vae" / WEIGHTS)
    return folder


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize(
    ("grid", "kernel"), [((3, 5, 5), (3, 5, 5)), ((5, 9, 17), (3, 5, 7)), ((9, 8, 3), (2, 4, 3))]
)
def test_attention_in_blocks_is_the_librarys_attention(grid, kernel):
    from diffusers.models.autoencoders.ltx2_diffusion_decoder import LTX2VideoVaeNeighborhoodAttention

    torch.manual_seed(0)
    layer = LTX2VideoVaeNeighborhoodAttention(16, kernel, head_dim=8).requires_grad_(False)
    tokens = torch.randn(2, *grid, 16)
    expected = layer(tokens)
    layer.set_processor(NeighbourAttention())
    torch.testing.assert_close(layer(tokens), expected, rtol=0, atol=1e-5)


def test_a_video_is_decoded_as_the_librarys_pipeline_does_it(model, decoder):
    from diffusers import LTX2VideoDiffusionDecodePipeline

    codec = load_video_vae(ModelInfo.read(model))
    assert not list(codec.vae.decoder.parameters()) and codec.decoder is not None
    whole = load_video_vae(ModelInfo.read(MODEL))
    pixels = torch.rand(1, 3, 9, 48, 64) * 2 - 1
    latents = codec.encode(pixels)
    assert torch.equal(latents, whole.encode(pixels))  # encoding is the autoencoder's in both
    found = codec.decode(latents)
    assert found.shape == pixels.shape and torch.equal(codec.decode(latents), found)
    decoder.set_attn_processor(NeighbourAttention())
    pipeline = LTX2VideoDiffusionDecodePipeline(decoder, scheduler=None)
    generator = torch.Generator().manual_seed(DECODE_SEED)
    shown = pipeline(latents, generator=generator, output_type="pt").frames  # [B, F, 3, H, W] in [0, 1]
    torch.testing.assert_close(found / 2 + 0.5, shown.transpose(1, 2), rtol=0, atol=1e-5)


def test_an_autoencoder_without_any_decoder_is_refused(model, tmp_path):
    shutil.copytree(model, tmp_path / "model", ignore=shutil.ignore_patterns("diffusion_decoder"))
    with pytest.raises(ModelError, match="has no diffusion_decoder"):
        load_video_vae(ModelInfo.read(tmp_path / "model"))


@pytest.mark.parametrize("wanted", ["diffusion", "vae"])
def test_the_config_says_which_decoder_shows_samples(decoder, wanted, tmp_path):
    shutil.copytree(MODEL, tmp_path / "model")
    decoder.save_pretrained(tmp_path / "model" / "diffusion_decoder")
    settings = [f"workspace={tmp_path}", f"model.model_path={tmp_path / 'model'}"]
    settings += [f"validation.video_decoder={wanted}", "acceleration.vae_tiling=never"]
    context = Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT)).context
    codec = context.models.video()
    assert (codec.decoder is not None) == (wanted == "diffusion") and codec.tiling == "never"
    latents = torch.randn(1, 32, 2, 3, 3)
    own = load_video_vae(ModelInfo.read(MODEL)).decode(latents)
    assert codec.decode(latents).shape == own.shape
    assert torch.equal(codec.decode(latents), own) == (wanted == "vae")
