"""A LoRA trained and sampled on a quantised base, through the stages, on the demo's model and one film."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from ltx_core.config.load import load
from ltx_core.models.lora.file import read_lora
from ltx_core.models.quantise.layers import QuantisedLinear
from ltx_core.models.safetensors_file import file_metadata
from ltx_core.run import Pipeline
from ltx_core.stages.grid import _check_base
from ltx_core.stages.network import base_of, open_training, open_velocity

ROOT = Path(__file__).parents[3]
SHORT = (
    "engine.threads=1",
    "acceleration.threads=1",
    "optimization.batch_size=1",
    "optimization.warmup_steps=0",
    "optimization.steps=2",
    "checkpoints.precision=float32",
    "validation.interval=null",
)
INT8, INT8_QUANTO = "acceleration.quantization=int8", "acceleration.quantization=int8-quanto"
STAGES = ("text", "latents", "audio_latents", "train")


@pytest.fixture(scope="module")
def opened(one_film):
    """A function that opens a pipeline on one film of the demo."""
    workspace, source = one_film

    def open_pipeline(*overrides):
        settings = [f"workspace={workspace}", f"dataset.source={source}", *SHORT, *overrides]
        return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))

    return open_pipeline


@pytest.fixture(scope="module")
def trained(opened):
    """A function that trains with some overrides; the pipeline and the run's folder."""

    def run(*overrides):
        pipe = opened(*overrides)
        for stage in pipe.stages("train"):
            for chunk in pipe.plan(stage).chunks:
                pipe.compute(stage, chunk)
        return pipe, Path(pipe.manifest("train")["run"])

    return run


def keys(pipe):
    """Row keys of stages for the same inputs, by stage."""
    return {name: pipe.registry[name].key(pipe.context, ["input"]) for name in STAGES}


def test_what_is_quantised_is_part_of_the_identity_of_what_depends_on_it(opened):
    plain = opened()
    sections = {name: plain.registry[name].section(plain.context) for name in STAGES}
    assert "quant" not in json.dumps(sections), "keys of runs that quantise nothing are as they were"
    before = keys(plain)
    changes = {
        INT8: {"train"},
        "acceleration.quantization=nf4": {"train"},
        "acceleration.text_encoder_quantization=int8": {"text"},
        "acceleration.text_encoder_quantization=nf4": {"text"},
    }
    for override, changed in changes.items():
        found = keys(opened(override))
        assert {name for name in STAGES if found[name] != before[name]} == changed, override
    assert len({keys(opened(override))["train"] for override in changes}) == 3
    assert keys(opened(INT8)) == keys(opened(INT8_QUANTO))
    in_8_bits = keys(opened("acceleration.load_text_encoder_in_8bit=true"))
    assert in_8_bits == keys(opened("acceleration.text_encoder_quantization=int8"))


def test_training_runs_on_the_quantised_base_and_says_so(trained):
    _, folder = trained(INT8)
    _, exact_folder = trained()
    assert folder != exact_folder and trained(INT8_QUANTO)[1] == folder, "one method, one run"
    metadata = file_metadata(folder / "lora.safetensors")
    assert metadata["base_quantization"] == "int8"
    assert "base_quantization" not in file_metadata(exact_folder / "lora.safetensors")
    lineage = json.loads((folder / "lineage.json").read_text(encoding="utf-8"))
    assert lineage["base_quantization"] == "int8"
    loras = [read_lora(each / "lora.safetensors").weights for each in (folder, exact_folder)]
    learned = [torch.cat([b.flatten() for _, (_, b) in sorted(weights.items())]) for weights in loras]
    near = float(torch.cosine_similarity(*learned, dim=0))
    assert 0.9 < near < 1, "near the LoRA of the exact base, and another one"


def test_training_and_sampling_open_the_same_base(trained):
    pipe, folder = trained(INT8)
    training = open_training(pipe.context)
    sampling = open_velocity(pipe.context, folder / "lora.safetensors")
    ours, theirs = training.model.state_dict(), sampling.model.state_dict()
    assert ours.keys() == theirs.keys()
    base = {name for name in ours if ".lora_" not in name}
    assert any(name.endswith("to_q.base_layer.codes") for name in base)
    assert all(torch.equal(ours[name], theirs[name]) for name in base)
    layers = sum(isinstance(module, QuantisedLinear) for module in sampling.model.modules())
    with base_of(sampling):
        assert sum(isinstance(module, QuantisedLinear) for module in sampling.model.modules()) == layers > 20


def test_samples_with_another_base_than_that_of_the_training_are_warned_of(trained, opened, caplog):
    _, folder = trained(INT8)
    path = folder / "lora.safetensors"
    with caplog.at_level(logging.WARNING):
        _check_base(opened(INT8).context, path, file_metadata(path))
        assert not caplog.records
        _check_base(opened().context, path, file_metadata(path))
    assert "trained on a base with int8 weights" in caplog.text
    assert "acceleration.quantization=int8" in caplog.text
