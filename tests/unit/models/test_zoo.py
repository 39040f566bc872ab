"""The zoo's folders are what the libraries make of such models: their own pipelines load them whole."""

import json
from pathlib import Path

import pytest
import torch
from zoo.folders import FRAMES, SIDE, VERSIONS, build_model

from ltx_core.models.loading import quiet

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
