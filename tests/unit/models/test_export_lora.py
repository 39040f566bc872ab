"""A LoRA in every form, loaded back by what its users load it with: the output is that of the trained one."""

from __future__ import annotations

import json

import pytest
import torch
from lora_cases import ATTENTION, OUTSIDE, pipeline_with, run, tiny_transformer, trained_lora
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ltx_core.models.errors import ModelError
from ltx_core.models.export.lora import (
    DIFFUSERS_FILE,
    unread_by_ltxv,
    with_alpha,
    write_comfyui,
    write_diffusers,
)
from ltx_core.models.loading import quiet
from ltx_core.models.lora.adapters import add_lora, continue_lora, find_targets, load_lora, lora_state
from ltx_core.models.lora.file import LoraFile, read_lora
from ltx_core.models.lora.layout import ADAPTER_METADATA
from ltx_core.models.names import runs_with, to_original
from ltx_core.models.options import LoraOptions
from ltx_core.models.partial import leave_out

MODELS = [("ltx2", "2.0"), ("ltx2", "2.3"), ("ltx2", "2.5"), ("ltxv", "0.9.5")]
WRITERS = {"comfyui": write_comfyui, "diffusers": write_diffusers}


def close(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * float(wanted.abs().max().clamp(min=1)))


def all_targets(family):
    return (*ATTENTION, *OUTSIDE[family])


def by_pipeline(family, version, path):
    """Output of the library's pipeline's transformer with a LoRA's file."""
    with quiet():
        pipeline = pipeline_with(tiny_transformer(family, version))
        pipeline.load_lora_weights(path)
    return run(pipeline.transformer)


def by_us(family, version, path):
    model = tiny_transformer(family, version)
    load_lora(model, path)
    return run(model)


@pytest.mark.parametrize(
    ("family", "version", "dtype"),
    [(*model, torch.float32) for model in MODELS]
    + [(*MODELS[1], torch.bfloat16), (*MODELS[3], torch.bfloat16)],
)
def test_each_form_means_the_same_to_its_users(family, version, dtype, tmp_path):
    model = tiny_transformer(family, version)
    base = run(model)
    path = tmp_path / "lora.safetensors"
    model = trained_lora(
        path, model, all_targets(family), {"mode": "t2v", "reference_downscale_factor": "2"}, dtype
    )
    wanted = run(model) if dtype == torch.float32 else by_us(family, version, path)
    assert (wanted - base).abs().max() > 0.05
    for form, write in WRITERS.items():
        out = tmp_path / form / (DIFFUSERS_FILE if form == "diffusers" else "mine.safetensors")
        out.parent.mkdir()
        write(out, read_lora(path))
        close(by_us(family, version, out), wanted)
        if form == "diffusers" or family == "ltx2":
            close(by_pipeline(family, version, out), wanted)
        else:
            assert len(unread_by_ltxv(read_lora(out))) == 2
        with safe_open(out, "pt") as file:
            facts, names = file.metadata(), list(file.keys())
        assert (facts["rank"], facts["alpha"], facts["mode"]) == ("4", "12", "t2v")
        assert facts["reference_downscale_factor"] == "2"
        assert all(
            name.startswith("transformer." if form == "diffusers" else "diffusion_model.") for name in names
        )
        assert (ADAPTER_METADATA in facts) == (form == "diffusers")
        again = tmp_path / f"{form}-again.safetensors"
        write_comfyui(again, read_lora(out))
        close(by_us(family, version, again), wanted)


@pytest.mark.parametrize(("family", "version"), MODELS)
def test_comfyui_adds_it_to_the_weights_of_the_original_checkpoint_by_name(family, version, tmp_path):
    """Its rule: the key of `lora_A` without its end, and `.weight`, is the weight's; B A is added to it."""
    model = tiny_transformer(family, version)
    names = {"diffusion_model." + to_original(name): name for name in model.state_dict()}
    weights = {original: model.state_dict()[name].clone() for original, name in names.items()}
    trained = trained_lora(tmp_path / "l.safetensors", model, all_targets(family))
    found = load_file(tmp_path / "l.safetensors")
    for key in (key for key in found if key.endswith(".lora_A.weight")):
        name = key.removesuffix(".lora_A.weight")
        weights[name + ".weight"] += found[f"{name}.lora_B.weight"] @ found[key]
    fused = tiny_transformer(family, version, seed=9)
    fused.load_state_dict({names[original]: weight for original, weight in weights.items()})
    close(run(fused), run(trained))


@pytest.mark.parametrize(("family", "version"), [("ltx2", "2.3"), ("ltxv", "0.9.5")])
def test_a_rank_and_an_alpha_for_each_layer_survive(family, version, tmp_path):
    names = [f"transformer_blocks.{i}.attn{k}.to_{x}" for i in (0, 1) for k in (1, 2) for x in "qv"]
    model, draw = tiny_transformer(family, version), torch.Generator().manual_seed(0)
    weights, alphas = {}, {}
    for index, name in enumerate(names):
        rank = 2 if index % 3 else 5
        out_width, in_width = model.get_submodule(name).weight.shape
        a = torch.randn(rank, in_width, generator=draw)
        weights[name] = (a, torch.randn(out_width, rank, generator=draw) / 10)
        alphas[name] = 7.0 if index % 2 else 3.0
    file = LoraFile(weights, {}, alphas)
    write_comfyui(tmp_path / "c.safetensors", file)
    write_diffusers(tmp_path / "d.safetensors", file)
    wanted = by_us(family, version, tmp_path / "c.safetensors")
    close(by_us(family, version, tmp_path / "d.safetensors"), wanted)
    close(by_pipeline(family, version, tmp_path / "d.safetensors"), wanted)
    close(by_pipeline(family, version, tmp_path / "c.safetensors"), wanted)
    assert read_lora(tmp_path / "d.safetensors").alphas == alphas


def others_form(file, form):
    """The tensors and metadata of a LoRA as other trainers write them: alpha 6 of rank 4, not within B."""
    tensors, metadata = {}, {}
    for name, (a, b) in file.weights.items():
        original = to_original(name)
        if form == "dots":
            key, ends = f"diffusion_model.{original}", ("lora_down", "lora_up")
        elif form == "underscores":
            key, ends = "lora_unet_" + original.replace(".", "_"), ("lora_down", "lora_up")
        else:
            key, ends = f"transformer.{name}", ("lora_A", "lora_B")
        tensors[f"{key}.{ends[0]}.weight"], tensors[f"{key}.{ends[1]}.weight"] = a, b / 1.5
        if form in ("dots", "underscores"):
            tensors[f"{key}.alpha"] = torch.tensor(6.0)
    if form == "metadata":
        settings = {"r": 4, "lora_alpha": 6, "use_rslora": False, "target_modules": list(file.weights)}
        metadata = {ADAPTER_METADATA: json.dumps({f"transformer.{k}": v for k, v in settings.items()})}
    if form == "root of rank":
        settings = {"r": 4, "lora_alpha": 3, "use_rslora": True, "target_modules": list(file.weights)}
        metadata = {ADAPTER_METADATA: json.dumps({f"transformer.{k}": v for k, v in settings.items()})}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}, metadata


@pytest.mark.parametrize("form", ["dots", "underscores", "metadata", "root of rank"])
@pytest.mark.parametrize(("family", "version"), [("ltx2", "2.3"), ("ltxv", "0.9.5")])
def test_alpha_of_others_files_is_applied(form, family, version, tmp_path):
    model = tiny_transformer(family, version)
    trained = trained_lora(tmp_path / "own.safetensors", model, all_targets(family))
    tensors, metadata = others_form(read_lora(tmp_path / "own.safetensors"), form)
    path = tmp_path / "other.safetensors"
    save_file(tensors, path, metadata or None)
    close(by_us(family, version, path), run(trained))
    if form in ("metadata", "root of rank"):
        close(by_pipeline(family, version, path), run(trained))
    if family == "ltx2":
        check_part_of_the_model(trained, path)
    fresh = tiny_transformer(family, version)
    add_lora(fresh, LoraOptions(4, 12, target_modules=all_targets(family)), seed=0)
    continue_lora(fresh, path)
    for name, found in lora_state(fresh).items():
        torch.testing.assert_close(found, lora_state(trained)[name], rtol=1e-5, atol=1e-6)


def check_part_of_the_model(trained, path):
    """A transformer that was loaded for video alone takes the adapters of video alone."""
    part = tiny_transformer("ltx2", "2.3")
    linear = find_targets(part, all_targets("ltx2"))
    leave_out(part, lambda name: runs_with(name, ["video"]))
    load_lora(part, path, linear)
    wanted = {name: value for name, value in lora_state(trained).items() if runs_with(name, ["video"])}
    found = lora_state(part)
    assert found.keys() == wanted.keys() and 0 < len(found) < len(lora_state(trained))


def test_a_file_without_alpha_is_given_one(tmp_path):
    model = tiny_transformer("ltx2", "2.3")
    trained = trained_lora(tmp_path / "own.safetensors", model, ATTENTION)
    own = read_lora(tmp_path / "own.safetensors")
    tensors, _ = others_form(own, "no metadata")
    save_file(tensors, tmp_path / "bare.safetensors")
    bare = read_lora(tmp_path / "bare.safetensors")
    assert not bare.stated
    write_comfyui(tmp_path / "out.safetensors", with_alpha(bare, 6))
    close(by_us("ltx2", "2.3", tmp_path / "out.safetensors"), run(trained))
    with pytest.raises(ModelError, match=r"--alpha 6: the LoRA says its alpha itself \(\[12\.0\]\)"):
        with_alpha(own, 6)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            {"diffusion_model.proj_out.hada_w1_a": torch.ones(2, 2)},
            r"is no LoRA that can be read: .*hada_w1_a",
        ),
        ({"diffusion_model.proj_out.dora_scale": torch.ones(2)}, "proj_out lacks a part"),
        ({"diffusion_model.proj_out.lokr_w1": torch.ones(2, 2)}, "proj_out lacks a part"),
        ({"diffusion_model.proj_out.lora_A.weight": torch.ones(2, 2)}, "proj_out lacks a part"),
        ({"transformer.transformer_blocks.0.attn1.to_k.lora_A.weight": torch.ones(4, 48)}, "twice"),
        (
            {"lora_unet_nothing_here.lora_up.weight": torch.ones(4, 2)},
            "nothing_here is no layer of this model",
        ),
    ],
)
def test_what_would_be_half_read_is_refused(extra, message, tmp_path):
    path = tmp_path / "lora.safetensors"
    trained_lora(path, tiny_transformer("ltx2", "2.3"), ("attn1.to_k",))
    save_file({**load_file(path), **extra}, path)
    with pytest.raises(ModelError, match=message):
        load_lora(tiny_transformer("ltx2", "2.3"), path)
