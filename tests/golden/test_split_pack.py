"""The files of a split pack of LTX-2.5 as published are one model; its packed text encoder is Gemma 4."""

from __future__ import annotations

import shutil

import pytest
import torch
from original_outputs import DATA, DECODED, TOLERANCE, audio_errors, outputs, video_errors

from ltx_core.models import ltx2
from ltx_core.models.info import ModelInfo
from ltx_core.models.loading import load_tokenizer
from ltx_core.models.places import apart
from ltx_core.models.text_encoder import load_language_model

PACK = DATA / "splitpack_2.5"
FILES = ("transformer", "video_vae", "audio_vae", "text_encoder")


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """The pack's files alone, without the outputs beside them."""
    folder = tmp_path_factory.mktemp("pack")
    for name in FILES:
        shutil.copy(PACK / f"{name}.safetensors", folder)
    return folder


@pytest.fixture(scope="module")
def info(pack):
    return ModelInfo.read(pack)


def test_it_is_one_whole_model_of_the_newest_version(info):
    assert (info.family, info.version) == ("ltx2", "2.5")
    info.require("transformer", "connectors", "vae", "audio_vae", "vocoder", "text_encoder", "tokenizer")
    config = info.config("transformer")
    assert config["use_keyframes_abs_pos_embedding"] and not config["ff_bias"] and config["perturbed_attn"]
    for load in (
        ltx2.load_transformer,
        ltx2.load_connectors,
        ltx2.load_text,
        ltx2.load_video_vae,
        ltx2.load_audio,
    ):
        load(info)


def test_gemma_gives_the_libraries_hidden_states(info):
    golden = outputs("splitpack_2.5/text_encoder.outputs.safetensors")
    encoder = load_language_model(info.part("text_encoder"), "cpu", torch.float32)
    with torch.no_grad():
        states = encoder(
            input_ids=golden["input_ids"], output_hidden_states=True, use_cache=False
        ).hidden_states
    assert (torch.stack(states, -1) - golden["hidden_states"]).abs().max() < TOLERANCE


def test_captions_begin_with_the_begin_mark_that_this_tokenizer_does_not_add(info):
    bare = load_tokenizer(info.part("tokenizer"))("w5 w7")["input_ids"]
    ids, dropped = ltx2.load_text(info).tokens("w5 w7")
    assert bare == [5, 7] and ids == [2, 5, 7] and dropped == 0


def test_its_vaes_give_the_outputs_of_a_unified_file_of_the_same_weights(info):
    """The pack's video VAE has the weights of the unified file; so its outputs are known."""
    golden = outputs("singlefile_2.3.outputs.safetensors")
    other = ModelInfo.read(DATA / "singlefile_2.3.safetensors")
    assert info.fingerprint("vae") == other.fingerprint("vae")
    encoded, decoded = video_errors(info, golden)
    assert encoded < TOLERANCE and decoded < DECODED
    assert info.fingerprint("vocoder") != other.fingerprint("vocoder")
    assert max(audio_errors(info, golden)) > DECODED, "other weights give another sound"


def test_one_file_and_three_options_are_the_same_model(info, pack):
    options = {
        "text_encoder_path": pack / "text_encoder.safetensors",
        "video_vae_path": pack / "video_vae.safetensors",
        "audio_vae_path": pack / "audio_vae.safetensors",
    }
    named = ModelInfo.read(pack / "transformer.safetensors", apart(options))
    assert named.parts.keys() == info.parts.keys()
    assert named.fingerprint() == info.fingerprint()


def test_a_file_that_another_program_left_beside_it_is_passed_over(info, pack):
    from safetensors.torch import save_file

    save_file({"upsampler.weight": torch.ones(2)}, pack / "spatial_upscaler.safetensors")
    save_file({"diffusion_model.a.lora_A.weight": torch.ones(2, 2)}, pack / "style.safetensors")
    assert ModelInfo.read(pack).fingerprint() == info.fingerprint()
