"""The zoo's folders are what the libraries make of such models: their own pipelines load them whole."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from zoo import ltx2_original, ltxv_original, ltxv_parts
from zoo.folders import FRAMES, SIDE, VERSIONS, build_model

from ltx_core.models.loading import quiet

GOLDEN = Path(__file__).parents[2] / "golden" / "data"
SECOND_LAYER = "encoder.down_blocks.0.res_blocks.1."
"""Where the published list has a layer more than the zoo."""
EVERY = [(family, version) for family, versions in VERSIONS.items() for version in versions]


@pytest.mark.parametrize(("family", "version"), EVERY)
def test_the_librarys_pipeline_loads_a_folder(family: str, version: str, tmp_path: Path):
    import diffusers

    folder = build_model(tmp_path / "model", family, version)
    assert sum(path.stat().st_size for path in folder.rglob("*.*")) < 15e6
    name = json.loads((folder / "model_index.json").read_text())["_class_name"]
    with quiet():
        pipeline = getattr(diffusers, name).from_pretrained(
            folder, torch_dtype=torch.bfloat16, local_files_only=True
        )
    with torch.no_grad():
        pixels = torch.zeros(1, 3, FRAMES, SIDE, SIDE, dtype=torch.bfloat16)
        latents = pipeline.vae.encode(pixels).latent_dist.mode()
        times = torch.tensor([0.05]) if pipeline.vae.config.timestep_conditioning else None
        back = pipeline.vae.decode(latents, times).sample
    assert latents.shape[2:] == (2, SIDE // 32, SIDE // 32)
    assert back.shape == pixels.shape
    text = pipeline.text_encoder.state_dict()
    assert all(value.isfinite().all() for value in text.values())
    assert (
        pipeline.tokenizer("A red ball, 3!")["input_ids"] != pipeline.tokenizer("A red bell, 3!")["input_ids"]
    )


def test_a_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path):
    files = "transformer/diffusion_pytorch_model.safetensors"
    made = [
        (build_model(tmp_path / str(number), "ltxv", "0.9.5", seed=seed) / files).read_bytes()
        for number, seed in enumerate((0, 0, 1))
    ]
    assert made[0] == made[1] != made[2]


def test_weights_in_several_files_have_an_index(tmp_path: Path):
    folder = build_model(tmp_path / "model", "ltx2", "2.3", shard="40KB")
    for name, stem in (("transformer", "diffusion_pytorch_model"), ("text_encoder", "model")):
        index = json.loads((folder / name / f"{stem}.safetensors.index.json").read_text())
        files = {path.name for path in (folder / name).glob("*.safetensors")}
        assert set(index["weight_map"].values()) == files and len(files) > 2


@pytest.mark.parametrize("version", VERSIONS["ltxv"])
def test_the_librarys_converter_undoes_the_one_file_of_ltx_video(version: str, tmp_path: Path):
    from diffusers.loaders import single_file_utils as library

    folder, file = build_model(tmp_path / "model", "ltxv", version), tmp_path / "one.safetensors"
    ltxv_original.write_single_file(folder, version, file)
    weights = load_file(file)
    wanted = {name: load_file(folder / name / ltxv_original.WEIGHTS) for name in ("transformer", "vae")}
    marks = {"vae.encoder.conv_out.conv.weight": torch.zeros(1, 2048)}  # by its width it knows the version
    given = weights | (marks if version in ltxv_parts.LATER else {})
    found = {
        "transformer": library.convert_ltx_transformer_checkpoint_to_diffusers(dict(weights)),
        "vae": library.convert_ltx_vae_checkpoint_to_diffusers(given),
    }
    for name, own in wanted.items():
        assert found[name].keys() == own.keys()
        assert all(torch.equal(found[name][key], own[key]) for key in own if "encoder.conv_out" not in key)


def test_the_one_file_of_ltx_2_has_the_published_names(tmp_path: Path):
    folder = build_model(tmp_path / "model", "ltx2", "2.3")
    stated = json.loads((GOLDEN / "singlefile_2.3.expected.json").read_text())
    for part, prefix, names in (
        ("transformer", "", stated["transformer_names"]),
        ("vae", "vae.", stated["video_vae_names"]),
    ):
        published = {prefix + name.removeprefix(prefix) for name, kept in names.items() if kept}
        own = set(ltx2_original.part_weights(folder, part))
        assert own <= published
        assert all(SECOND_LAYER in name for name in published - own)
