"""Trained weights of another model are refused from headers alone, and both sides are named."""

from __future__ import annotations

import re

import pytest
import torch
from lora_cases import tiny_transformer, trained_lora
from safetensors.torch import load_file, save_file
from zoo.folders import build_model

from ltx_core.config.preflight import preflight
from ltx_core.config.root import Config
from ltx_core.config.wishes import Wish
from ltx_core.models.errors import ModelError
from ltx_core.models.info import ModelInfo
from ltx_core.models.lora.fit import check_continued, check_lora, check_transformer
from ltx_core.models.options import LoraOptions
from ltx_core.run import sample

TARGETS = ("attn1.to_k", "attn2.to_q")
NAMES = {"2.0": ("ltx2", "2.0"), "2.3": ("ltx2", "2.3"), "ltxv": ("ltxv", "0.9.5")}
TITLES = {"2.0": "LTX-2 2.0", "2.3": "LTX-2 2.3", "ltxv": "LTX-Video 0.9.5"}


@pytest.fixture(scope="module")
def infos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {name: ModelInfo.read(build_model(folder / name, *which)) for name, which in NAMES.items()}


@pytest.fixture(scope="module")
def loras(infos, tmp_path_factory):
    """A LoRA of each model with our metadata."""
    folder, found = tmp_path_factory.mktemp("loras"), {}
    for name, which in NAMES.items():
        facts = {
            "base_model_family": " ".join(which),
            "base_model": f"base-{name}",
            "base_model_fingerprint": infos[name].fingerprint("transformer", "connectors"),
        }
        found[name] = folder / f"{name}.safetensors"
        trained_lora(found[name], tiny_transformer(*which), TARGETS, facts)
    return found


def without_metadata(path, folder, **metadata):
    out = folder / f"bare-{path.name}"
    save_file(load_file(path), out, metadata or None)
    return out


@pytest.mark.parametrize("of", NAMES)
@pytest.mark.parametrize("on", NAMES)
def test_a_lora_fits_its_own_model_and_no_other(of, on, loras, infos, monkeypatch):
    monkeypatch.setattr("ltx_core.models.component.Stored.read", None)  # a weight that is read fails the test
    if of == on:
        assert check_lora(loras[of], infos[on]) == []
        return
    with pytest.raises(ModelError) as error:
        check_lora(loras[of], infos[on])
    assert f"{loras[of]} was made for {TITLES[of]} (base-{of}), the model in" in str(error.value)
    assert f"is {TITLES[on]}" in str(error.value) and str(infos[on].path) in str(error.value)


def test_a_file_that_names_no_model_is_known_by_its_layers(loras, infos, tmp_path):
    bare = without_metadata(loras["ltxv"], tmp_path)
    with pytest.raises(
        ModelError, match=r"was made for another model, .* is LTX-2 2\.3: it changes .* of 128x"
    ):
        check_lora(bare, infos["2.3"])
    assert check_lora(without_metadata(loras["2.3"], tmp_path), infos["2.0"]) == []
    path = tmp_path / "sound.safetensors"
    trained_lora(path, tiny_transformer("ltx2", "2.3"), ("audio_attn1.to_k",))
    words = r"was made for LTX-2: it changes sound, .* is LTX-Video 0\.9\.5: .*has no such layer"
    with pytest.raises(ModelError, match=words):
        check_lora(path, infos["ltxv"])
    path = tmp_path / "gates.safetensors"
    trained_lora(path, tiny_transformer("ltx2", "2.3"), ("attn1.to_gate_logits",))
    with pytest.raises(ModelError, match=r"is LTX-2 2\.0: it changes .*to_gate_logits .*has no such layer"):
        check_lora(path, infos["2.0"])


@pytest.mark.parametrize(
    ("metadata", "refused"),
    [
        ({"modelspec.architecture": "ltx-video-2b/lora"}, True),
        ({"ss_base_model_version": "ltxv"}, True),
        ({"base_model": "Lightricks/LTX-2.3"}, False),
        ({"modelspec.architecture": "ltx2/lora"}, False),
        ({"base_model": "something else"}, False),
    ],
)
def test_what_other_trainers_write_is_heard(metadata, refused, loras, infos, tmp_path):
    path = without_metadata(loras["2.3"], tmp_path, **metadata)
    if not refused:
        assert check_lora(path, infos["2.3"]) == []
        return
    with pytest.raises(ModelError, match=r"was made for LTX-Video.*, the model in .* is LTX-2 2\.3"):
        check_lora(path, infos["2.3"])


def test_other_weights_of_the_same_version_are_told(loras, infos, tmp_path):
    other = ModelInfo.read(build_model(tmp_path / "finetuned", "ltx2", "2.3", seed=5))
    (told,) = check_lora(loras["2.3"], other)
    assert re.search(r"trained on other weights of LTX-2 2\.3 \(base-2\.3\) than those in .*finetuned", told)


def test_training_on_needs_the_same_layers_and_rank(loras, infos):
    path, info = loras["2.3"], infos["2.3"]
    check_continued(path, info, LoraOptions(4, 12, target_modules=TARGETS))
    with pytest.raises(ModelError, match=r"has rank 4, lora\.rank is 8; set lora\.rank=4"):
        check_continued(path, info, LoraOptions(8, 12, target_modules=TARGETS))
    with pytest.raises(
        ModelError, match=r"has 4 layers, lora\.target_modules means 8: the file lacks .*attn"
    ):
        check_continued(
            path,
            info,
            LoraOptions(4, 12, target_modules=(*TARGETS, "attn1.to_v", "attn2.to_v")),
        )


def test_whole_weights_of_another_model_are_refused(infos, tmp_path):
    folder = infos["2.0"].path / "transformer"
    assert check_transformer(folder, infos["2.0"]) == []
    with pytest.raises(ModelError, match=r"was made for another model, .* is LTX-2 2\.3: it has "):
        check_transformer(folder, infos["2.3"])
    (weights,) = folder.glob("*.safetensors")
    named = tmp_path / "named.safetensors"
    save_file(load_file(weights), named, {"base_model_family": "ltx2 2.5"})
    with pytest.raises(ModelError, match=r"was made for LTX-2 2\.5, .* is LTX-2 2\.0"):
        check_transformer(named, infos["2.0"])
    (tmp_path / "torn.safetensors").write_bytes(weights.read_bytes()[:-7])
    with pytest.raises(ModelError, match=r"torn\.safetensors is damaged .*its header describes"):
        check_transformer(tmp_path / "torn.safetensors", infos["2.0"])
    assert torch.equal(load_file(named)["proj_in.weight"], load_file(weights)["proj_in.weight"])


def test_the_preflight_refuses_what_a_training_cannot_begin_with(loras, infos, tmp_path):
    def found(name, lora, **options):
        section = {"model_path": infos[name].path, "load_checkpoint": loras[lora], **options}
        config = Config(workspace=tmp_path, model=section, lora={"rank": 4, "target_modules": TARGETS})
        (check,) = [check for check in preflight(config) if check.name == "load_checkpoint"]
        return check

    assert found("2.3", "2.3").ok
    refused = found("2.3", "2.0")
    assert not refused.ok and "was made for LTX-2 2.0 (base-2.0), the model in" in refused.detail
    whole = found("2.3", "2.3", training_mode="full")
    assert not whole.ok and "is a LoRA; full training begins from a whole transformer" in whole.detail


def test_a_sample_with_the_lora_of_another_model_is_refused_before_any_work(loras, infos, tmp_path):
    config = Config(workspace=tmp_path / "work", model={"model_path": infos["2.3"].path})
    with pytest.raises(ModelError, match=r"was made for LTX-Video 0\.9\.5 .*is LTX-2 2\.3"):
        list(sample(config, Wish(prompts=("a fox",), lora=loras["ltxv"])))
    assert not list(tmp_path.rglob("*.safetensors"))
