"""Adapters: where they go, how they start, and that a saved file means the same to everyone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from ltx_core.models.forward import transformer_forward
from ltx_core.models.info import ModelError, ModelInfo
from ltx_core.models.lora.adapters import (
    add_lora,
    continue_lora,
    find_targets,
    load_lora,
    load_lora_state,
    lora_off,
    lora_state,
    save_lora,
)
from ltx_core.models.lora.file import read_lora
from ltx_core.models.ltx2 import load_transformer
from ltx_core.models.names import BOTH
from ltx_core.models.options import LoraOptions

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "data" / "model"
INFO = ModelInfo.read(MODEL)
GOLDEN = ROOT / "tests" / "golden" / "data"
EVERYWHERE = LoraOptions(
    rank=4, alpha=12, target_modules=("to_k", "to_q", "to_v", "to_out.0", "ff.net.2", "audio_patchify_proj")
)


def stirred(model, seed=5):
    """Give the zero half of fresh adapters some values."""
    draw = torch.Generator().manual_seed(seed)
    state = lora_state(model)
    load_lora_state(model, {n: t + 0.1 * torch.randn(t.shape, generator=draw) for n, t in state.items()})


def run(model, given):
    with torch.no_grad():
        return torch.cat([out.flatten() for out in transformer_forward(model, **given)])


def test_targets_mean_what_they_say(transformer):
    model = transformer()
    assert len(find_targets(model, ["to_k"])) == 2 * 6
    assert find_targets(model, ["attn1.to_k"]) == [f"transformer_blocks.{i}.attn1.to_k" for i in (0, 1)]
    assert all("audio_ff" in name for name in find_targets(model, ["audio_ff.net.2"]))
    assert find_targets(model, ["patchify_proj", "proj_in"]) == ["proj_in"]
    for modality, count in (("video", 2), ("audio", 2)):
        names = find_targets(model, ["to_k"], [modality])
        assert len(names) == 2 * count and all(("audio" in n) == (modality == "audio") for n in names)


def test_a_pattern_means_what_fits_it_in_either_naming(transformer):
    model = transformer()
    own = [f"transformer_blocks.1.attn1.to_{end}" for end in ("gate_logits", "k", "out.0", "q", "v")]
    for pattern in ("transformer_blocks.1.attn1.*", "*_blocks.1.attn1.to_*", "1.attn[1].*"):
        assert find_targets(model, [pattern]) == own, pattern
    assert find_targets(model, ["transformer_blocks.*.to_k"]) == find_targets(model, ["to_k"])
    assert find_targets(model, ["*attn1.to_k"]) == find_targets(model, ["attn1.to_k", "audio_attn1.to_k"])
    assert (
        find_targets(model, ["audio_patchify*"])
        == find_targets(model, ["audio_proj_i?"])
        == ["audio_proj_in"]
    )
    with pytest.raises(ModelError, match=r"'attn1\.to_k\*x' matches no linear layer"):
        find_targets(model, ["attn1.to_k*x"])


@pytest.mark.parametrize(
    ("target", "modalities", "message"),
    [
        ("to_kk", BOTH, r"'to_kk' matches no linear layer of the transformer; .*: to_k, to_v, to_q$"),
        ("patchify", ["audio"], r"that runs with audio alone; .*: audio_patchify_proj$"),
        ("audio_ff.net.2", ["video"], r"that runs with video alone; .*: ff\.net\.2"),
        ("attn1.to_q", ["audio"], r"that runs with audio alone; .*: audio_attn1\.to_q"),
        ("audio_to_video_attn.to_k", ["video"], r"that runs with video alone"),
    ],
)
def test_a_target_that_means_no_running_layer_is_refused_with_the_nearest(target, modalities, message):
    for model in (load_transformer(INFO), load_transformer(INFO, modalities=modalities)):
        with pytest.raises(ModelError, match=message):
            find_targets(model, ["to_k", target], modalities)


def test_adapters_start_from_their_seed_and_change_nothing(transformer, streams):
    model, given = transformer(), streams()
    base = run(model, given)
    state_before = torch.random.get_rng_state()
    parameters = add_lora(model.to(torch.float32), EVERYWHERE, seed=7)
    assert torch.equal(torch.random.get_rng_state(), state_before)
    assert torch.equal(run(model, given), base)
    trainable = [n for n, p in model.named_parameters() if p.requires_grad]
    assert len(trainable) == len(parameters) and all(".lora_" in n for n in trainable)
    torch.manual_seed(99)
    again, other = transformer(), transformer()
    add_lora(again, EVERYWHERE, seed=7)
    add_lora(other, EVERYWHERE, seed=8)
    same = [
        torch.equal(a, b) for a, b in zip(lora_state(model).values(), lora_state(again).values(), strict=True)
    ]
    assert all(same)
    name = "audio_proj_in.lora_A.weight"
    assert not torch.equal(lora_state(again)[name], lora_state(other)[name])


def test_off_is_the_base_bit_for_bit_and_on_again_trains(transformer, streams):
    model, given = transformer(), streams()
    base = run(model, given)
    add_lora(model, EVERYWHERE, seed=0)
    stirred(model)
    changed = run(model, given)
    with lora_off(model):
        assert torch.equal(run(model, given), base)
    assert torch.equal(run(model, given), changed) and not torch.equal(changed, base)
    assert any(p.requires_grad for p in model.parameters())


def test_bf16_base_trains_float32_adapters(transformer, streams):
    model = transformer().to(torch.bfloat16).requires_grad_(False)
    parameters = add_lora(model, EVERYWHERE, seed=0)
    assert all(p.dtype == torch.float32 for p in parameters)
    sum(
        out.float().square().mean() for out in transformer_forward(model, **streams(), checkpointing=True)
    ).backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in parameters)


def test_saved_file_means_the_same_to_the_pipeline_and_to_us(tmp_path, demo_streams):
    from diffusers import LTX2Pipeline

    from ltx_core.models.loading import quiet

    info = ModelInfo.read(MODEL)
    model = load_transformer(info)
    base = run(model, demo_streams)
    add_lora(model, EVERYWHERE, seed=3)
    stirred(model)
    ours = run(model, demo_streams)
    assert (ours - base).abs().max() > 0.1
    path = tmp_path / "lora.safetensors"
    facts = {"trigger": "strîped 🎬", "mode": "t2v", "step": "250"}
    save_lora(path, model, facts)
    first = path.read_bytes()
    save_lora(path, model, facts)
    assert path.read_bytes() == first

    with safe_open(path, "pt") as file:
        names, metadata = list(file.keys()), file.metadata()
    assert metadata == {**facts, "format": "pt", "rank": "4", "alpha": "12", "alpha_in_weights": "true"}
    original = json.loads((GOLDEN / "transformer_names_2.3.json").read_text())
    for name in names:
        module = name.removeprefix("diffusion_model.").rsplit(".lora_", 1)[0]
        assert name.startswith("diffusion_model.") and name.endswith((".lora_A.weight", ".lora_B.weight"))
        assert module.replace("blocks.2.", "blocks.1.") + ".weight" in original, name

    with quiet():
        pipeline = LTX2Pipeline.from_pretrained(MODEL, torch_dtype=torch.float32, local_files_only=True)
        pipeline.load_lora_weights(path)
    torch.testing.assert_close(run(pipeline.transformer, demo_streams), ours, rtol=0, atol=1e-5)
    ready = load_transformer(info)
    assert load_lora(ready, path).metadata == metadata
    torch.testing.assert_close(run(ready, demo_streams), ours, rtol=0, atol=1e-5)
    assert not any(p.requires_grad for p in ready.parameters())


def test_resume_is_exact_and_refuses_another_shape(transformer, tmp_path):
    model, again = transformer(), transformer()
    options = LoraOptions(rank=4, alpha=8)
    add_lora(model, options, seed=0)
    stirred(model)
    add_lora(again, options, seed=1)
    load_lora_state(again, lora_state(model))
    assert all(torch.equal(t, lora_state(model)[n]) for n, t in lora_state(again).items())
    save_lora(tmp_path / "l.safetensors", model, {})
    fresh = transformer()
    add_lora(fresh, options, seed=2)
    continue_lora(fresh, tmp_path / "l.safetensors")
    assert all(torch.equal(t, lora_state(model)[n]) for n, t in lora_state(fresh).items())
    other = transformer()
    add_lora(other, LoraOptions(rank=2), seed=0)
    with pytest.raises(ModelError, match=r"96 weights differ .*lora\.rank"):
        load_lora_state(other, lora_state(model))


@pytest.mark.parametrize("content", [b"", b"not a safetensors file at all"])
def test_a_damaged_or_foreign_file_is_refused(tmp_path, transformer, content):
    path = tmp_path / "lora.safetensors"
    with pytest.raises(ModelError, match="cannot be read as a LoRA"):
        read_lora(path)
    path.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read as a LoRA"):
        read_lora(path)
    with pytest.raises(ModelError, match=r"is no LoRA that can be read: .* convert"):
        read_lora(MODEL / "vae" / "diffusion_pytorch_model.safetensors")
    with pytest.raises(ModelError, match="does not fit this model"):
        load_lora(transformer(num_layers=1), GOLDEN / "lora.safetensors")
