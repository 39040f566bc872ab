"""Layouts: which files make a model, what replaces a part, what is written is read back, the real sizes."""

from __future__ import annotations

import json
import math
import shutil

import pytest
import torch
from accelerate import init_empty_weights
from real_configs import COUNTS, DECODER, VAE_ENCODER, VERSIONS
from safetensors.torch import load_file, save_file
from zoo.folders import build_model

from ltx_core.models.component import Stored
from ltx_core.models.errors import ModelError
from ltx_core.models.folder import read_folder
from ltx_core.models.info import ModelInfo
from ltx_core.models.layouts import pack_files, read_layout
from ltx_core.models.loading import load_component
from ltx_core.models.original import audio as original_audio
from ltx_core.models.original import configs as original_configs
from ltx_core.models.original import vae as original_vae
from ltx_core.models.original.decoder import decoder_config
from ltx_core.models.original.read import read_original
from ltx_core.models.original.write import write_original, write_split_pack
from ltx_core.models.places import apart


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny LTX-2.5: its folder, unified file and split pack."""
    root = tmp_path_factory.mktemp("layouts")
    folder = build_model(root / "folder", "ltx2", "2.5")
    write_original(root / "one.safetensors", read_folder(folder))
    write_split_pack(root / "pack", read_folder(folder))
    return root


@pytest.mark.parametrize("version", ["2.0", "2.3", "2.5"])
def test_what_is_written_is_read_back_the_same(version, tmp_path):
    parts = read_folder(build_model(tmp_path / "folder", "ltx2", version))
    write_original(tmp_path / "one.safetensors", parts, {"note": "kept"})
    write_split_pack(tmp_path / "pack", parts)
    one, pack = read_layout(tmp_path / "one.safetensors"), read_layout(tmp_path / "pack")
    for name in ("transformer", "connectors", "vae", "audio_vae", "vocoder", "text_encoder", "tokenizer"):
        for found in (one, pack) if name in one else (pack,):
            assert found[name].weights.keys() == parts[name].weights.keys()
            for key, stored in found[name].weights.items():
                assert stored.read_bytes() == parts[name].weights[key].read_bytes()
        assert name not in one or one[name].identify() == pack[name].identify()
    assert one["transformer"].config["perturbed_attn"], "guidance by skipped attention works for 2.0 too"


def test_a_config_without_words_in_the_original_is_refused(made, tmp_path):
    folder = shutil.copytree(made / "folder", tmp_path / "model")
    path = folder / "transformer" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "causal_offset": 2}))
    with pytest.raises(ModelError, match="causal_offset = 2 would be read as 1"):
        write_original(tmp_path / "one.safetensors", read_folder(folder))
    assert not (tmp_path / "one.safetensors").exists()


def test_a_part_comes_from_another_layout(made):
    text = {"text_encoder_path": made / "pack" / "text_encoder.safetensors"}
    one = ModelInfo.read(made / "one.safetensors", apart(text))
    one.require("transformer", "connectors", "vae", "text_encoder", "tokenizer")
    named = apart({**text, "video_vae_path": made / "one.safetensors", "audio_vae_path": made / "folder"})
    mixed = ModelInfo.read(made / "folder", named)
    assert mixed.part("vae").place == made / "one.safetensors"
    assert mixed.part("audio_vae").place == made / "folder" / "audio_vae"
    assert mixed.fingerprint("vae") == one.fingerprint("vae")
    with pytest.raises(ModelError, match=r"holds no text_encoder, but .*transformer"):
        apart({"text_encoder_path": made / "one.safetensors"})


def test_two_files_of_one_part_must_be_told_apart(made, tmp_path):
    pack = shutil.copytree(made / "pack", tmp_path / "pack")
    shutil.copy(pack / "transformer.safetensors", pack / "distilled.safetensors")
    with pytest.raises(ModelError, match=r"2 files with a transformer \(distilled.*model.model_path"):
        pack_files(pack)
    (pack / "distilled.safetensors").unlink()
    (pack / "vae").mkdir()
    shutil.copy(pack / "video_vae.safetensors", pack / "vae" / "other.safetensors")
    with pytest.raises(ModelError, match=r"2 files with a video VAE .*model.video_vae_path"):
        read_layout(pack)
    chosen = apart({"video_vae_path": pack / "vae" / "other.safetensors"})
    assert read_layout(pack, chosen)["vae"].place == pack / "vae" / "other.safetensors"


def test_a_lora_and_a_file_of_another_kind_are_no_model(tmp_path):
    file = tmp_path / "lora.safetensors"
    save_file({"diffusion_model.transformer_blocks.0.attn1.to_q.lora_A.weight": torch.ones(2, 2)}, file)
    with pytest.raises(ModelError, match="is a LoRA, not a model"):
        ModelInfo.read(file)
    save_file({"weight": torch.ones(2)}, file)
    with pytest.raises(ModelError, match="weight belongs to no part of one"):
        ModelInfo.read(file)


def test_a_file_whose_header_was_stripped_is_refused(made, tmp_path):
    save_file(load_file(made / "one.safetensors"), tmp_path / "bare.safetensors")
    with pytest.raises(ModelError, match="does not say how its transformer is built"):
        ModelInfo.read(tmp_path / "bare.safetensors")


@pytest.mark.parametrize("version", VERSIONS)
def test_published_configs_build_the_published_sizes(version):
    """On no memory: numbers of the transformer, the connectors and both halves of the video VAE."""
    import diffusers
    from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder, LTX2VocoderWithBWE

    stated = VERSIONS[version]
    facts = original_audio.audio_facts(stated["audio_vae"])
    scale = original_vae.vae_scale(stated["vae"])
    assert scale == (8, 32, 32) and facts["audio_scale_factor"] == 4
    shape = (4096 if version != "2.0" else 3840, 3840 * 49)
    names = ("video_aggregate_embed", "audio_aggregate_embed") if version != "2.0" else ("aggregate_embed",)
    sizes = dict(zip(names, (shape, (2048, shape[1])), strict=False))
    weights = {f"{name}.weight": Stored(None, name, size) for name, size in sizes.items()}
    weights |= {
        f"{name}.bias": Stored(None, name, size[:1]) for name, size in sizes.items() if version != "2.0"
    }
    first = {
        f"{prefix}conv_pre.weight": Stored(None, "", (1, 128, 7))
        for prefix in ("", "vocoder.", "bwe_generator.")
    }
    vocoder = original_audio.vocoder_config(stated["vocoder"], first, stated["audio_vae"])
    assert vocoder["output_sampling_rate"] == (24000 if version == "2.0" else 48000)
    with init_empty_weights():
        transformer = diffusers.LTX2VideoTransformer3DModel.from_config(
            original_configs.transformer_config(stated["transformer"], scale, facts)
        )
        connectors = LTX2TextConnectors.from_config(
            original_configs.connectors_config(stated["transformer"], weights)
        )
        vae = diffusers.AutoencoderKLLTX2Video.from_config(original_vae.vae_config(stated["vae"]))
        diffusers.AutoencoderKLLTX2Audio.from_config(original_audio.audio_vae_config(stated["audio_vae"]))
        (LTX2Vocoder if version == "2.0" else LTX2VocoderWithBWE).from_config(vocoder)
    found = [_billions(part) for part in (transformer, connectors, vae.encoder, vae.decoder)]
    assert found == COUNTS[version]


def _billions(module):
    return round(sum(one.numel() for one in module.parameters()) / 1e9, 2)


@pytest.mark.parametrize("gated", [False, True])
def test_a_diffusion_decoder_is_read_out_of_a_video_vae(gated, tmp_path):
    """Joint matrices are divided, gates are multiplied in, previews are left out; the encoder stays a VAE."""
    from diffusers import LTX2VideoDiffusionDecoderModel

    config = {"_class_name": "CausalDiffusionVAE", "encoder": VAE_ENCODER, "decoder": DECODER}
    config["model_output_type"] = "x0"
    torch.manual_seed(0)
    model = LTX2VideoDiffusionDecoderModel.from_config(decoder_config(config, (8, 32, 32)))
    weights, wanted = _original_decoder(model.state_dict(), gated)
    weights |= {"encoder.conv_in.conv.weight": torch.randn(8, 48, 3, 3, 3), "decoder.type_emb": torch.ones(1)}
    save_file(weights, tmp_path / "vae.safetensors", {"config": json.dumps({"vae": config})})
    found = read_original([tmp_path / "vae.safetensors"])
    assert set(found) == {"vae", "diffusion_decoder"}
    assert "encoder.conv_in.conv.weight" in found["vae"].weights
    assert not any(name.startswith("decoder.") for name in found["vae"].weights)
    part = found["diffusion_decoder"]
    loaded = load_component(
        part, lambda: LTX2VideoDiffusionDecoderModel.from_config(part.config)
    ).state_dict()
    assert loaded.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(loaded[name], value, rtol=0, atol=1e-6)
    plain = {name: stored for name, stored in part.weights.items() if ".attn.to_" in name}
    assert all(len(one.read_bytes()) == 4 * math.prod(one.shape) for one in plain.values())


def _original_decoder(held, gated):
    """A decoder's weights by the original's names, and what must be loaded of them."""
    names = (
        ("t_embedder.timestep_embedder.linear_1.", "t_embedder.mlp.0."),
        ("t_embedder.timestep_embedder.linear_2.", "t_embedder.mlp.2."),
        (".attn.to_out.0.", ".attn.proj."),
        (".attn.norm_q.", ".attn.q_norm."),
        (".attn.norm_k.", ".attn.k_norm."),
    )
    held = {name: torch.randn_like(value) for name, value in held.items()}
    found = {f"per_channel_statistics.{new}-of-means": held[f"latents_{new}"] for new in ("mean", "std")}
    for name, value in held.items():
        if not name.startswith("decoder."):
            continue
        if ".attn.to_q." in name:
            three = [held[name.replace("to_q", f"to_{letter}")] for letter in "qkv"]
            found[name.replace("to_q", "qkv")] = torch.cat(three)
        elif ".attn.to_k." not in name and ".attn.to_v." not in name:
            for new, old in names:
                name = name.replace(new, old)
            found[name] = value
    if gated:
        block = "decoder.diff_blocks.0."
        gate = torch.randn(held[f"{block}context_proj.bias"].shape[0])
        found[f"{block}gate_ctx"] = gate
        held[f"{block}context_proj.weight"] = held[f"{block}context_proj.weight"] * gate[:, None]
        held[f"{block}context_proj.bias"] = held[f"{block}context_proj.bias"] * gate
    found["decoder.coarse_head.weight"] = torch.ones(1)
    return {name: value.contiguous() for name, value in found.items()}, held
