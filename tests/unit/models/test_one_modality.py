"""One modality pays for one: what a mode without the other loads, runs and saves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ltx_core.models import partial
from ltx_core.models.forward import transformer_forward
from ltx_core.models.headers import transformer_parameter_count, weight_shapes
from ltx_core.models.info import ModelError, ModelInfo
from ltx_core.models.lora.adapters import (
    add_lora,
    load_lora,
    load_lora_state,
    lora_off,
    lora_state,
    save_lora,
)
from ltx_core.models.ltx2 import load_connectors, load_transformer
from ltx_core.models.names import BOTH, modality_of, runs_with
from ltx_core.models.options import LoraOptions

INFO = ModelInfo.read(Path(__file__).parents[3] / "data" / "model")
ALONE = [("video", "audio"), ("audio", "video")]


def run(model, streams, alone):
    with torch.no_grad():
        found = transformer_forward(
            model, **{name: streams[name] if name == alone else None for name in BOTH}
        )
    return found[BOTH.index(alone)]


def test_the_whole_model_is_that_of_diffusers():
    from diffusers import LTX2VideoTransformer3DModel

    ours = load_transformer(INFO, dtype=torch.bfloat16)
    theirs = LTX2VideoTransformer3DModel.from_pretrained(
        INFO.path / "transformer", torch_dtype=torch.bfloat16, local_files_only=True
    )
    expected = theirs.state_dict()
    found = ours.state_dict()
    assert found.keys() == expected.keys()
    assert {**ours.config, "_name_or_path": ""} == {**theirs.config, "_name_or_path": ""}
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert all(found[name].dtype == torch.bfloat16 for name in expected)


@pytest.mark.parametrize(("alone", "other"), ALONE)
def test_layers_of_an_absent_modality_are_never_read_nor_made(demo_streams, monkeypatch, alone, other):
    read = []

    def reading(weights):
        for name, tensor in real(weights):
            read.append(name)
            yield name, tensor

    real = partial.each_weight
    monkeypatch.setattr(partial, "each_weight", reading)
    model = load_transformer(INFO, modalities=[alone])
    names = [name for name, _ in model.named_parameters()]
    assert sorted(names) == sorted(read) and {modality_of(name) for name in names} == {alone}
    assert not any("audio" in n for n, _ in model.named_modules()) or alone == "audio"
    assert {modality_of(n) for n in weight_shapes(INFO, "transformer").keys() - set(names)} == {
        other,
        "cross",
    }
    assert sum(p.numel() for p in model.parameters()) == transformer_parameter_count(INFO, [alone])
    assert all(value.device.type == "cpu" for value in model.state_dict().values()), "nothing stays on meta"
    assert torch.equal(run(model, demo_streams, alone), run(load_transformer(INFO), demo_streams, alone))


@pytest.mark.parametrize(("alone", "other"), ALONE)
def test_connectors_of_an_absent_modality_are_left_out(alone, other):
    draw = torch.Generator().manual_seed(0)
    features = [{"video": torch.randn(count, 64, generator=draw)} for count in (3, 7)]
    whole, part = load_connectors(INFO), load_connectors(INFO, modalities=[alone])
    assert {name.split(".")[0] for name, _ in part.module.named_parameters()} == {f"{alone}_connector"}
    assert torch.equal(part.context(features, alone), whole.context(features, alone))


@pytest.mark.parametrize("alone", BOTH)
def test_a_lora_of_one_modality_loads_into_the_part_the_whole_and_the_pipeline(tmp_path, demo_streams, alone):
    from diffusers import LTX2Pipeline

    from ltx_core.models.loading import quiet

    model = load_transformer(INFO, modalities=[alone])
    base = run(model, demo_streams, alone)
    add_lora(model, LoraOptions(rank=4, alpha=8, target_modules=("to_k", "to_out.0")), 0, [alone])
    draw = torch.Generator().manual_seed(1)
    load_lora_state(
        model, {n: t + 0.1 * torch.randn(t.shape, generator=draw) for n, t in lora_state(model).items()}
    )
    ours, path = run(model, demo_streams, alone), tmp_path / "lora.safetensors"
    assert (ours - base).abs().max() > 0.01
    with lora_off(model):
        assert torch.equal(run(model, demo_streams, alone), base)
    save_lora(path, model, {"mode": "x"})
    assert all(runs_with(name.split(".lora_")[0], [alone]) for name in lora_state(model))
    for modalities in ([alone], BOTH):
        again = load_transformer(INFO, modalities=modalities)
        load_lora(again, path)
        torch.testing.assert_close(run(again, demo_streams, alone), ours, rtol=0, atol=1e-5)
    with quiet():
        pipeline = LTX2Pipeline.from_pretrained(INFO.path, torch_dtype=torch.float32, local_files_only=True)
        pipeline.load_lora_weights(path)
    torch.testing.assert_close(run(pipeline.transformer, demo_streams, alone), ours, rtol=0, atol=1e-5)


def test_of_a_joint_lora_a_part_takes_the_adapters_that_can_run(tmp_path, demo_streams):
    both = load_transformer(INFO)
    add_lora(both, LoraOptions(rank=2, target_modules=("to_k", "to_v")), 0)
    draw = torch.Generator().manual_seed(1)
    load_lora_state(
        both, {n: t + 0.1 * torch.randn(t.shape, generator=draw) for n, t in lora_state(both).items()}
    )
    save_lora(tmp_path / "joint.safetensors", both, {})
    part = load_transformer(INFO, modalities=["audio"])
    load_lora(part, tmp_path / "joint.safetensors")
    torch.testing.assert_close(
        run(part, demo_streams, "audio"), run(both, demo_streams, "audio"), rtol=0, atol=1e-5
    )
    video = load_transformer(INFO, modalities=["video"])
    add_lora(video, LoraOptions(rank=2), 0, ["video"])
    save_lora(tmp_path / "video.safetensors", video, {})
    with pytest.raises(ModelError, match="changes no layer that runs with audio alone"):
        load_lora(load_transformer(INFO, modalities=["audio"]), tmp_path / "video.safetensors")
