"""Merged and whole models, loaded back by what their users load them with: the output stays."""

from __future__ import annotations

import errno
import json
from dataclasses import replace

import pytest
import torch
from lora_cases import ATTENTION, OUTSIDE, pipeline_with, run, tiny_transformer, trained_lora
from safetensors import safe_open
from safetensors.torch import load_file
from zoo import ltxv_original
from zoo.folders import build_model

from ltx_core.errors import ConfigError, StoreError
from ltx_core.evaluation.card import publish
from ltx_core.evaluation.report import ReportData
from ltx_core.models.errors import ModelError
from ltx_core.models.export.merge import merge
from ltx_core.models.export.model import write_model
from ltx_core.models.families import family_of
from ltx_core.models.full import save_full
from ltx_core.models.info import ModelInfo
from ltx_core.models.layouts import read_layout
from ltx_core.models.loading import quiet
from ltx_core.models.lora.adapters import load_lora
from ltx_core.models.lora.file import read_lora
from ltx_core.models.lora.strength import set_strength
from ltx_core.models.safetensors_file import file_metadata
from ltx_core.stages.export import Export, export, writers
from ltx_core.stages.export_source import base_beside, product_in

LIBRARY_READS_FILE = {("ltx2", "2.0"), ("ltxv", "0.9.5")}
"""Versions whose single file the library's own loader reads; for the others it renames wrongly."""
MODELS = [("ltx2", "2.0"), ("ltx2", "2.3"), ("ltx2", "2.5"), ("ltxv", "0.9.5")]


@pytest.fixture(scope="module", params=MODELS, ids=["2.0", "2.3", "2.5", "ltxv"])
def model(request, tmp_path_factory):
    """A whole tiny model in float32, and a LoRA of its transformer at strength 0.75: (info, file, output)."""
    family, version = request.param
    folder = tmp_path_factory.mktemp("model")
    info = ModelInfo.read(build_model(folder / "base", family, version, dtype=torch.float32))
    base = load(info)
    facts = {
        "base_model": "base",
        "base_model_family": f"{info.family} {info.version}",
        "base_model_fingerprint": info.fingerprint("transformer", "connectors"),
    }
    path = folder / "lora.safetensors"
    trained_lora(path, base, (*ATTENTION, *OUTSIDE[family]), facts)
    set_strength(base, 0.75)
    return info, path, run(base)


def load(info, component=None):
    return family_of(info).load_transformer(info, "cpu", torch.float32, modalities(info), component)


def modalities(info):
    return ("video",) if info.family == "ltxv" else ("video", "audio")


def close(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * float(wanted.abs().max().clamp(min=1)))


def read_back(path, info):
    """The transformer of a single file: by the library where it can, else by our reader."""
    import diffusers

    if (info.family, info.version) in LIBRARY_READS_FILE:
        cls = getattr(diffusers, info.config("transformer")["_class_name"])
        with quiet():
            return cls.from_single_file(
                path, config=str(info.path), subfolder="transformer", local_files_only=True
            ).eval()
    return load(info, read_layout(path)["transformer"])


def whole(folder, info):
    """A transformer's folder by the library."""
    import diffusers

    with quiet():
        cls = getattr(diffusers, info.config("transformer")["_class_name"])
        return cls.from_pretrained(folder, local_files_only=True)


def whole_pipeline(folder):
    import diffusers

    name = json.loads((folder / "model_index.json").read_text())["_class_name"]
    with quiet():
        return getattr(diffusers, name).from_pretrained(folder, local_files_only=True)


def test_a_merged_model_is_base_and_lora(model, tmp_path):
    info, lora, wanted = model
    told = []
    job = Export(lora, "merged", tmp_path / "merged", info, strength=0.75)
    out, notes = export(job, lambda done, total: told.append((done, total)))
    assert notes == [] and told and told[-1][0] == told[-1][1]
    if info.version in ("2.3", "0.9.5"):
        close(run(whole_pipeline(out).transformer), wanted)
    close(run(whole(out / "transformer", info)), wanted)
    for name in info.parts.keys() - {"transformer"}:
        ours, theirs = (sorted(p.name for p in (at / name).iterdir()) for at in (out, info.path))
        assert ours == theirs, name
    assert (out / "vae" / "config.json").stat().st_nlink == 1
    with safe_open(out / "transformer" / "diffusion_pytorch_model.safetensors", "pt") as file:
        facts = file.metadata()
    assert facts["merged_lora"] == "lora.safetensors" and facts["merged_strength"] == "0.75"

    export(replace(job, form="merged-file", out=tmp_path / "merged.safetensors"))
    close(run(read_back(tmp_path / "merged.safetensors", info)), wanted)


def test_a_bfloat16_base_stays_bfloat16_and_is_rounded_once(tmp_path):
    info = ModelInfo.read(build_model(tmp_path / "base", "ltx2", "2.3"))
    trained_lora(tmp_path / "lora.safetensors", load(info), ("attn1.to_k",))
    out, _ = export(
        Export(tmp_path / "lora.safetensors", "merged", tmp_path / "out", info, only_transformer=True)
    )
    assert [path.name for path in out.iterdir()] == ["transformer"]
    unwritten = merge(info.part("transformer"), read_lora(tmp_path / "lora.safetensors"))
    close(run(load(info, unwritten)), run(whole(out / "transformer", info).float()))
    merged = ModelInfo.read(out).part("transformer")
    assert {stored.dtype for stored in merged.weights.values()} == {"BF16"}
    exact = load(info)
    load_lora(exact, tmp_path / "lora.safetensors")
    for name, stored in info.part("transformer").weights.items():
        found, own = merged.weights[name].read(), stored.read()
        if ".attn1.to_k.weight" in name:
            delta = exact.get_submodule(name.removesuffix(".weight")).get_delta_weight("default")
            assert torch.equal(found, (own.float() + delta).bfloat16()) and not torch.equal(found, own)
        else:
            assert torch.equal(found, own), name


def test_whole_weights_as_a_folder_and_as_one_file(model, tmp_path):
    info, _, _ = model
    transformer = load(info)
    with torch.no_grad():
        for value in transformer.parameters():
            value += 0.01
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    facts = {
        "training_mode": "full",
        "base_model_family": f"{info.family} {info.version}",
        "base_model": "base",
    }
    save_full(run_folder / "transformer", transformer, [info.part("transformer")], facts)
    product = product_in(run_folder)
    assert product == run_folder / "transformer"
    wanted = run(transformer)

    out, _ = export(Export(product, "folder", tmp_path / "folder", info))
    close(run(whole(out / "transformer", info)), wanted)
    index = [json.loads((at / "model_index.json").read_text()) for at in (out, info.path)]
    assert index[0] == index[1]
    out, _ = export(Export(product, "file", tmp_path / "one.safetensors", info))
    close(run(read_back(out, info)), wanted)
    with safe_open(out, "pt") as file:
        names, header = list(file.keys()), file.metadata()
    assert header["training_mode"] == "full" and "transformer" in json.loads(header["config"])
    if info.family == "ltx2":
        assert {name.split(".")[0] for name in names} >= {"model", "vae", "audio_vae", "vocoder"}
        parts = read_layout(out)
        for name in ("vae", "audio_vae", "vocoder", "connectors"):
            assert parts[name].weights.keys() == info.part(name).weights.keys()
        write_model(tmp_path / "again", parts, ())
        close(run(whole(tmp_path / "again" / "transformer", info)), wanted)


@pytest.mark.parametrize("version", ["0.9.0", "0.9.1", "0.9.5", "0.9.8"])
def test_the_library_reads_transformer_and_vae_of_an_ltx_video_file(version, tmp_path):
    """From 0.9.5 on it tells the VAE by its real width: there the names are those of the published files."""
    from diffusers import AutoencoderKLLTXVideo, LTXVideoTransformer3DModel

    info = ModelInfo.read(build_model(tmp_path / "base", "ltxv", version))
    out, _ = export(Export(info.path, "file", tmp_path / "one.safetensors", info))
    classes = {"transformer": LTXVideoTransformer3DModel, "vae": AutoencoderKLLTXVideo}
    for name in classes if version < "0.9.5" else ["transformer"]:
        options = {"config": str(info.path), "subfolder": name, "local_files_only": True}
        with quiet():
            model = classes[name].from_single_file(out, **options, torch_dtype=torch.bfloat16)
        state = model.state_dict()
        assert state.keys() == info.part(name).weights.keys()
        assert all(torch.equal(state[key], stored.read()) for key, stored in info.part(name).weights.items())
    ltxv_original.write_single_file(info.path, version, tmp_path / "published.safetensors")
    published, ours = load_file(tmp_path / "published.safetensors"), load_file(out)
    assert ours.keys() <= published.keys()
    assert all("per_channel_statistics" in name for name in published.keys() - ours.keys())
    assert all(torch.equal(tensor, published[name]) for name, tensor in ours.items())
    read = ModelInfo.read(out)
    assert {name: part.weights.keys() for name, part in read.parts.items() if name in classes} == {
        name: info.part(name).weights.keys() for name in classes
    }


def test_nothing_is_overwritten_and_no_half_of_an_export_stays(model, tmp_path, monkeypatch):
    info, lora, _ = model
    taken = tmp_path / "taken.safetensors"
    taken.write_bytes(b"mine")
    with pytest.raises(ModelError, match="is there already and is left as it is"):
        export(Export(lora, "comfyui", taken, info))
    assert taken.read_bytes() == b"mine"

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ltx_core.models.export.merge._merged", full)
    for form, out in (("merged", tmp_path / "m"), ("merged-file", tmp_path / "m.safetensors")):
        with pytest.raises(StoreError, match="the disk is full"):
            export(Export(lora, form, out, info))
    assert [path.name for path in tmp_path.iterdir()] == ["taken.safetensors"]


def test_a_form_that_cannot_be_is_refused_with_those_that_can(tmp_path):
    lora = tmp_path / "lora.safetensors"
    trained_lora(lora, tiny_transformer("ltx2", "2.3"), ("attn1.to_k",))
    for job, message in (
        (
            Export(lora, "folder", tmp_path / "o"),
            "is a LoRA; use --to comfyui or --to diffusers or --to merged",
        ),
        (Export(lora, "merged", tmp_path / "o"), "nothing says what .* was trained on; give it with --model"),
        (Export(lora, "comfyui", tmp_path / "o"), r"give a path that ends in \.safetensors"),
        (Export(lora, "diffusers", tmp_path / "o", strength=0.5), "--strength 0.5 is for --to merged"),
    ):
        with pytest.raises(ConfigError, match=message):
            export(job)
    with pytest.raises(ConfigError, match="does not exist; give a config"):
        product_in(tmp_path / "nothing")
    assert base_beside(tmp_path, lora) is None
    assert [path.name for path in tmp_path.iterdir()] == ["lora.safetensors"]


def test_further_forms_lie_in_the_published_folder(model, tmp_path):
    info, lora, _ = model
    forms = writers(("diffusers", "merged", "merged-file"), lora, info)
    files = {"report.html": b"<!DOCTYPE html>", **forms}
    metadata = file_metadata(lora)
    folder = publish(tmp_path / "published", lora, metadata, ReportData("demo", "t2v"), files)
    trained, base = load(info), run(load(info))
    load_lora(trained, folder / "lora.safetensors")
    wanted = run(trained)
    assert (wanted - base).abs().max() > 0.01
    with quiet():
        pipeline = pipeline_with(load(info))
        pipeline.load_lora_weights(folder)
    close(run(pipeline.transformer), wanted)
    close(run(whole(folder / "merged" / "transformer", info)), wanted)
    close(run(load(info, read_layout(folder / "merged.safetensors")["transformer"])), wanted)
    card = (folder / "README.md").read_text()
    assert ("LTXPipeline.from_pretrained" in card) == (info.family == "ltxv")
    assert ("LTX2Pipeline.from_pretrained" in card) == (info.family == "ltx2")


def test_the_command_finds_product_and_base_of_a_runs_folder(model, tmp_path):
    from typer.testing import CliRunner

    from flows.cli import app

    info, lora, wanted = model
    folder = tmp_path / "run"
    checkpoint = folder / "checkpoints" / "step_000010"
    checkpoint.mkdir(parents=True)
    config = f"workspace: {tmp_path}\nmodel: {{model_path: {info.path}}}\ndataset: {{source: {tmp_path}}}\n"
    (folder / "config.yaml").write_text(config)
    (folder / "lineage.json").write_text("{}")
    (checkpoint / "lora.safetensors").write_bytes(lora.read_bytes())
    out = tmp_path / "merged"
    options = ["--to", "merged", "--strength", "0.75", "--only-transformer"]
    result = CliRunner().invoke(app, ["export", str(checkpoint), str(out), *options])
    assert result.exit_code == 0, result.output
    assert f"{out}: written" in result.output.replace("\n", "")
    close(run(whole(out / "transformer", info)), wanted)
    with pytest.raises(ModelError, match="is there already"):
        CliRunner().invoke(app, ["export", str(checkpoint), str(out), *options], catch_exceptions=False)
