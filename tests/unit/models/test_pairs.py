"""Components of different models and files that are not whole are refused at once, naming both sides."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from zoo import ltx2_original
from zoo.folders import build_model

from ltx_core.models.errors import ModelError
from ltx_core.models.info import ModelInfo
from ltx_core.models.pairs import check_pairs
from ltx_core.models.places import apart

WEIGHTS = "diffusion_pytorch_model.safetensors"
VERSIONS = (("ltx2", "2.0"), ("ltx2", "2.3"), ("ltx2", "2.5"), ("ltxv", "0.9.1"), ("ltxv", "0.9.5"))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of models by version."""
    root = tmp_path_factory.mktemp("models")
    return {version: build_model(root / version, family, version) for family, version in VERSIONS}


@pytest.fixture
def copied(models, tmp_path):
    def copy(version):
        return shutil.copytree(models[version], tmp_path / "model")

    return copy


def edit(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def change(file, edited):
    weights = load_file(file)
    edited(weights)
    save_file(weights, file)


@pytest.mark.parametrize("version", [version for _, version in VERSIONS])
def test_a_model_fits_itself(models, version):
    check_pairs(ModelInfo.read(models[version]))


MIXED = [
    ("2.3", "2.5", "vae", None),
    ("2.3", "2.0", "connectors", "projects captions once for both streams"),
    ("2.3", "2.5", "connectors", None),
    ("2.0", "2.3", "connectors", "projects captions for each stream"),
    ("2.3", "0.9.5", "vae", "is a AutoencoderKLLTXVideo"),
    ("2.3", "0.9.1", "text_encoder", "hidden states of"),
    ("0.9.5", "2.3", "text_encoder", "which reads a T5"),
]


@pytest.mark.parametrize(("version", "other", "part", "words"), MIXED)
def test_a_part_of_another_model(version, other, part, words, models, copied):
    model = copied(version)
    shutil.rmtree(model / part)
    shutil.copytree(models[other] / part, model / part)
    if words is None:
        check_pairs(ModelInfo.read(model))
        return
    with pytest.raises(ModelError) as caught:
        check_pairs(ModelInfo.read(model))
    said = str(caught.value)
    assert words in said and str(model / part) in said
    assert sum(str(model / name) in said for name in ("transformer", "connectors")) >= 1


SIZES = [
    ("2.3", "vae", {"latent_channels": 16}, "latents of 16 channels"),
    ("2.3", "vae", {"spatial_compression_ratio": 16}, "latent of 16 pixels"),
    ("2.3", "audio_vae", {"latent_channels": 8}, "8 channels x 16 bins = 128"),
    ("2.3", "vocoder", {"in_channels": 64}, "reads 64"),
    ("2.3", "connectors", {"video_connector_attention_head_dim": 8}, "video contexts of 16 numbers"),
    ("2.3", "connectors", {"text_proj_in_factor": 49}, "read 49 of"),
    ("0.9.5", "text_encoder", {"d_model": 4096}, "gives 4096 numbers"),
    ("2.0", "transformer", {"num_layers": 3}, "states 3 transformer blocks, its weights are those of 2"),
]


@pytest.mark.parametrize(("version", "part", "values", "words"), SIZES)
def test_sizes_that_do_not_fit(version, part, values, words, copied):
    model = copied(version)
    edit(model / part, **values)
    with pytest.raises(ModelError, match=words):
        check_pairs(ModelInfo.read(model))


def test_a_block_that_lacks_a_weight_is_named(copied):
    model = copied("2.3")
    change(model / "transformer" / WEIGHTS, lambda held: held.pop("transformer_blocks.1.attn1.to_q.bias"))
    with pytest.raises(
        ModelError, match=r"block 1 has other weights than block 0, such as attn1\.to_q\.bias"
    ):
        check_pairs(ModelInfo.read(model))


def test_a_shortened_file_and_a_missing_shard_are_named(models, copied, tmp_path):
    model = copied("2.3")
    file = model / "vae" / WEIGHTS
    whole = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelError, match=f"describes {whole} bytes, the file has {whole - 10}"):
        check_pairs(ModelInfo.read(model))
    shards = build_model(tmp_path / "shards", "ltx2", "2.3", shard="60KB")
    lost = sorted((shards / "text_encoder").glob("*.safetensors"))[0]
    lost.unlink()
    with pytest.raises(ModelError, match=f"lacks 1 of the .* such as {lost.name}"):
        check_pairs(ModelInfo.read(shards))


def test_a_quantised_file_is_refused(copied):
    model = copied("2.3")

    def scaled(held):
        name = "transformer_blocks.0.attn1.to_q.weight"
        held[name] = held[name].to(torch.float8_e4m3fn)
        held[f"{name}_scale"] = torch.ones(1)

    change(model / "transformer" / WEIGHTS, scaled)
    with pytest.raises(ModelError, match="quantised weights"):
        check_pairs(ModelInfo.read(model))


def test_the_packed_text_encoder_must_be_the_one_that_the_transformer_was_trained_with(models, tmp_path):
    ltx2_original.write_split_pack(models["2.5"], "2.5", tmp_path / "pack")
    check_pairs(ModelInfo.read(tmp_path / "pack"))
    ltx2_original.write_text_encoder(models["2.3"], tmp_path / "gemma3.safetensors")
    with pytest.raises(ModelError, match=r"gemma3.safetensors is gemma3.*trained with gemma4-12b-ltx-v1"):
        check_pairs(
            ModelInfo.read(tmp_path / "pack", apart({"text_encoder_path": tmp_path / "gemma3.safetensors"}))
        )
