"""Loading the demo's model and its codecs, against what LTX2Pipeline does with the same files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ltx_core.models.info import ModelError, ModelInfo
from ltx_core.models.ltx2 import load_audio, load_connectors, load_text, load_transformer, load_video_vae

MODEL = Path(__file__).parents[3] / "data" / "model"
CAPTIONS = ["a red circle moves left on a teal background , low hum", "a blue square grows", ""]


@pytest.fixture(scope="module")
def info():
    return ModelInfo.read(MODEL)


@pytest.fixture(scope="module")
def pipeline():
    from diffusers import LTX2Pipeline

    from ltx_core.models.loading import quiet

    with quiet():
        return LTX2Pipeline.from_pretrained(MODEL, torch_dtype=torch.float32, local_files_only=True)


def test_contexts_of_valid_tokens_equal_the_padded_path(info, pipeline):
    text, connectors = load_text(info), load_connectors(info)
    features = [text.encode(caption) for caption in CAPTIONS]
    assert [len(found.tensors["video"]) for found in features] == [13, 5, 1]
    states, mask, _, _ = pipeline.encode_prompt(
        CAPTIONS, do_classifier_free_guidance=False, max_sequence_length=16
    )
    with torch.no_grad():
        *expected, _ = pipeline.connectors(states, mask)
    for found, wanted in zip(connectors.contexts([f.tensors for f in features]), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    assert not hasattr(connectors.module, "text_proj_in") and not hasattr(text.projections, "video_connector")


def test_a_long_caption_is_cut_and_counted_and_begins_with_its_mark(info):
    text = load_text(info)
    long = text.encode("a red circle " * 10)
    assert (len(long.tensors["video"]), long.dropped) == (16, 15)
    assert torch.equal(long.tensors["video"], text.encode("a red circle " * 5).tensors["video"])
    assert text.encode("a red circle").dropped == 0
    tricky = 'say "hello"\n🎬 ' * 700
    assert text.encode(tricky).dropped > 1000
    without = text.tokenizer("red", add_special_tokens=False)["input_ids"]
    assert text.tokens("red")[0] == [text.tokenizer.bos_token_id, *without]


def test_video_latents_equal_the_pipelines_and_decode_back(info, pipeline):
    codec = load_video_vae(info)
    pixels = torch.rand(1, 3, 9, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    vae = pipeline.vae
    with torch.no_grad():
        raw = vae.encode(pixels).latent_dist.mode()
        expected = pipeline._normalize_latents(raw, vae.latents_mean, vae.latents_std)
        pixels_back = vae.decode(raw, None, return_dict=False)[0].clamp(-1, 1)
    found = codec.encode(pixels)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(codec.decode(found), pixels_back, rtol=0, atol=1e-4)


def test_audio_latents_equal_the_pipelines_and_decode_back(info, pipeline):
    codec = load_audio(info)
    wave = torch.sin(torch.arange(9000) / 8000 * 2 * torch.pi * 440).expand(1, 2, -1) * 0.3
    found = codec.encode(wave)
    assert found.shape == (1, 4, 12, 4)
    vae = pipeline.audio_vae
    packed = pipeline._pack_audio_latents(found)
    raw = pipeline._denormalize_audio_latents(packed, vae.latents_mean, vae.latents_std)
    with torch.no_grad():
        mel = vae.decode(pipeline._unpack_audio_latents(raw, 12, num_mel_bins=4), return_dict=False)[0]
        expected = pipeline.vocoder(mel)
    decoded, rate = codec.decode(found)
    assert rate == 8000
    torch.testing.assert_close(decoded, expected, rtol=0, atol=1e-5)


def test_weights_that_do_not_fit_are_refused_and_not_left_random(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    path = model / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    del weights["proj_in.weight"]
    save_file(weights, path)
    with pytest.raises(ModelError, match=r"1 missing keys, such as proj_in\.weight"):
        load_transformer(ModelInfo.read(model))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"safetensors is damaged \(a header of"):
        load_transformer(ModelInfo.read(model))


def test_loading_is_silent_and_leaves_the_libraries_voice(info, capfd):
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    before = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    transformer = load_transformer(info)
    load_text(info)
    assert (diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()) == before
    assert transformers_logging.is_progress_bar_enabled()
    assert capfd.readouterr() == ("", "")
    assert not any(p.requires_grad for p in transformer.parameters()) and not transformer.training
