"""LoRA, rsLoRA, DoRA and LoKr: what they compute, what is saved of them, and what others make of the file."""

from __future__ import annotations

import pytest
import torch
from adapter_kinds import KINDS, TARGETS, adapted, by_hand, kind, stirred
from lora_cases import pipeline_with, run, tiny_transformer
from peft.tuners.lokr.layer import factorization
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ltx_core.models.errors import ModelError
from ltx_core.models.export.lora import write_comfyui, write_diffusers
from ltx_core.models.loading import quiet
from ltx_core.models.lora.adapters import (
    add_lora,
    continue_lora,
    load_lora,
    lora_off,
    lora_state,
    save_lora,
)
from ltx_core.models.lora.file import read_lora
from ltx_core.models.lora.inject import parameters
from ltx_core.models.lora.shapes import adapter_count, split_in_two
from ltx_core.models.lora.strength import set_strength
from ltx_core.models.lora.targets import linear_names, plan_adapters
from ltx_core.models.options import LoraOptions
from ltx_core.models.quantise.layers import quantise
from ltx_core.models.quantise.methods import SKIP_TRANSFORMER

BASE = ("ltx2", "2.3")
each_kind = pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)


def near(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-5 * float(wanted.abs().max().clamp(min=1)))


@pytest.fixture(scope="module")
def base():
    return run(tiny_transformer(*BASE))


@each_kind
def test_it_starts_as_its_base_and_learns_what_its_definition_says(options, base):
    model = tiny_transformer(*BASE)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    learning = add_lora(model, options, seed=3)
    assert torch.equal(run(model), base)
    sizes = plan_adapters(linear_names(shapes), options)
    assert sum(p.numel() for p in learning) == adapter_count(options, sizes, shapes)
    assert all(p.dtype == torch.float32 and p.requires_grad for p in learning)
    stirred(model)
    near(run(model), run(by_hand(tiny_transformer(*BASE), lora_state(model), options)))
    assert (run(model) - base).abs().max() > 0.05
    with lora_off(model):
        assert torch.equal(run(model), base)


@pytest.mark.parametrize(
    ("options", "dtype"),
    [(options, torch.float32) for options in KINDS.values()]
    + [(KINDS["dora"], torch.bfloat16), (KINDS["lokr"], torch.bfloat16)],
    ids=[*KINDS, "dora narrow", "lokr narrow"],
)
def test_a_saved_file_is_the_model_that_was_saved_and_goes_on_as_it(options, dtype, tmp_path):
    model, path = adapted(tiny_transformer(*BASE), options), tmp_path / "lora.safetensors"
    save_lora(path, model, {"mode": "t2v"}, dtype)
    again = tiny_transformer(*BASE)
    load_lora(again, path)
    wanted, tolerance = run(model), 2e-5 if dtype == torch.float32 else 0.05
    near(run(again), wanted) if dtype == torch.float32 else torch.testing.assert_close(
        run(again), wanted, rtol=0, atol=tolerance * float(wanted.abs().max())
    )
    assert not any(p.requires_grad for p in again.parameters())
    fresh = tiny_transformer(*BASE)
    add_lora(fresh, options, seed=9)
    continue_lora(fresh, path)
    for name, found in lora_state(fresh).items():
        rough = 1e-6 if dtype == torch.float32 else 0.01
        torch.testing.assert_close(found, lora_state(model)[name], rtol=rough, atol=rough)


@pytest.mark.parametrize("name", [pytest.param("rslora", marks=pytest.mark.prove), "dora"])
def test_the_pipelines_compute_what_was_trained(name, tmp_path):
    model = adapted(tiny_transformer(*BASE), KINDS[name])
    save_lora(tmp_path / "own.safetensors", model, {})
    write_diffusers(tmp_path / "diffusers.safetensors", read_lora(tmp_path / "own.safetensors"))
    write_comfyui(tmp_path / "comfyui.safetensors", read_lora(tmp_path / "diffusers.safetensors"))
    for form in ("own", "diffusers", "comfyui"):
        path = tmp_path / f"{form}.safetensors"
        with quiet():
            pipeline = pipeline_with(tiny_transformer(*BASE))
            pipeline.load_lora_weights(path)
        near(run(pipeline.transformer), run(model))
        again = tiny_transformer(*BASE)
        load_lora(again, path)
        near(run(again), run(model))


def test_a_lokr_has_the_names_and_the_scale_that_comfyui_reads_and_no_form_for_pipelines(tmp_path):
    """ComfyUI: kron(w1, w2), a factor of two parts being their product, times 1 where no alpha stands."""
    for name in ("lokr", "lokr factor"):
        model, path = adapted(tiny_transformer(*BASE), KINDS[name]), tmp_path / f"{name}.safetensors"
        save_lora(path, model, {})
        found, fused = load_file(path), tiny_transformer(*BASE)
        modules = {key.rsplit(".lokr_", 1)[0] for key in found}
        assert all(key.startswith("diffusion_model.") and ".lokr_w" in key for key in found)
        for module in modules:
            first, second = (
                found.get(f"{module}.{w}", None)
                if f"{module}.{w}" in found
                else found[f"{module}.{w}_a"] @ found[f"{module}.{w}_b"]
                for w in ("lokr_w1", "lokr_w2")
            )
            own = module.removeprefix("diffusion_model.").replace("audio_patchify_proj", "audio_proj_in")
            fused.get_submodule(own).weight.data += torch.kron(first, second)
        near(run(fused), run(model))
        with pytest.raises(ModelError, match="a LoKr has no form for diffusers"):
            write_diffusers(tmp_path / "no.safetensors", read_lora(path))
        write_comfyui(tmp_path / "again.safetensors", read_lora(path))
        assert load_file(tmp_path / "again.safetensors").keys() == found.keys()


def test_a_lokr_of_others_has_its_alpha_where_a_factor_is_of_lower_rank(tmp_path):
    model, path = adapted(tiny_transformer(*BASE), KINDS["lokr"]), tmp_path / "own.safetensors"
    save_lora(path, model, {})
    own = load_file(path)
    halved = {key: x / 2 if key.endswith("lokr_w1") else x for key, x in own.items()}
    lower = {key.removesuffix(".lokr_w2_b"): len(x) for key, x in own.items() if key.endswith(".lokr_w2_b")}
    whole = {key.removesuffix(".lokr_w2") for key in own if key.endswith(".lokr_w2")}
    assert lower and whole
    others = {key: own[key] if key.rsplit(".", 1)[0] in whole else x for key, x in halved.items()}
    others |= {f"{module}.alpha": torch.tensor(2.0 * rank) for module, rank in lower.items()}
    others |= {f"{module}.alpha": torch.tensor(7.0) for module in whole}
    save_file(others, tmp_path / "others.safetensors")
    again = tiny_transformer(*BASE)
    load_lora(again, tmp_path / "others.safetensors")
    near(run(again), run(model))


def test_a_dora_of_others_is_read_and_lengths_of_columns_are_refused(tmp_path):
    model, path = adapted(tiny_transformer(*BASE), KINDS["dora"]), tmp_path / "own.safetensors"
    save_lora(path, model, {})
    own = load_file(path)
    for end in ("dora_scale", "lora_magnitude_vector"):
        save_file(
            {k: x for k, x in own.items() if "lora_" in k or end in k if end in k or "magnitude" not in k},
            path,
        )
        again = tiny_transformer(*BASE)
        load_lora(again, path)
        near(run(again), run(model))
    columns = {
        k: torch.ones(1, own[k.replace("dora_scale", "lora_A.weight")].shape[1]) if "dora_scale" in k else x
        for k, x in own.items()
        if "magnitude" not in k
    }
    save_file(columns, path)
    with pytest.raises(ModelError, match="lengths of columns"):
        read_lora(path)


@pytest.mark.parametrize("options", [KINDS[name] for name in ("rslora", "dora", "lokr")])
def test_strength_goes_from_the_base_to_what_was_trained(options, base):
    model = adapted(tiny_transformer(*BASE), options)
    whole = run(model)
    set_strength(model, 0.25)
    near(run(model), run(by_hand(tiny_transformer(*BASE), lora_state(model), options, 0.25)))
    set_strength(model, 0)
    near(run(model), base)
    set_strength(model, 1)
    near(run(model), whole)


@pytest.mark.parametrize(
    ("name", "method"), [("dora", "int8"), pytest.param("lokr", "nf4", marks=pytest.mark.prove)]
)
def test_over_a_quantised_or_narrow_base_it_starts_as_that_and_learns_as_over_what_is_read_back(name, method):
    from learning_models import outputs
    from quantised_models import build

    options = kind(
        **{**{k: getattr(KINDS[name], k) for k in ("kind", "use_dora")}, "target_modules": ("to_k", "net.2")}
    )
    for dtype in (torch.float32, torch.bfloat16):
        model = build("ltx2").to(dtype)
        quantise(model, method, SKIP_TRANSFORMER)
        with torch.no_grad():
            before = outputs("ltx2", model)
            add_lora(model, options, seed=3)
            assert all(map(torch.equal, outputs("ltx2", model), before))
    exact = build("ltx2").to(torch.bfloat16)
    for module, weight in ((n, m.weight) for n, m in model.named_modules() if hasattr(m, "method")):
        layer = exact.get_submodule(module.replace(".base_layer", ""))
        layer.weight.data = weight
    add_lora(exact, options, seed=3)
    stirred(model), stirred(exact)
    for one in (model, exact):
        sum(out.float().square().mean() for out in outputs("ltx2", one)).backward()
    for (found, p), wanted in zip(parameters(model).items(), parameters(exact).values(), strict=True):
        assert p.grad.abs().max() > 0, found
        torch.testing.assert_close(p.grad, wanted.grad, rtol=0.02, atol=0.02 * float(wanted.grad.abs().max()))


def test_dropout_of_a_lokr_acts_in_training_alone():
    model = adapted(tiny_transformer(*BASE), kind(kind="lokr", dropout=0.5)).eval()
    steady = run(model)
    assert torch.equal(run(model), steady)
    assert not torch.equal(run(model.train()), run(model))


def test_widths_are_split_as_peft_splits_them():
    for factor in (-1, 1, 4, 6, 17, 64):
        options = LoraOptions(kind="lokr", decompose_factor=factor)
        for width in (*range(1, 200), 2048, 4096, 16384):
            assert split_in_two(width, options) == factorization(width, factor)


def test_a_file_says_what_it_was_made_as(tmp_path):
    save_lora(tmp_path / "l.safetensors", adapted(tiny_transformer(*BASE), KINDS["rslora"]), {})
    file = read_lora(tmp_path / "l.safetensors")
    assert file.alphas["transformer_blocks.0.attn2.to_k"] == pytest.approx(12 * 2)  # alpha * sqrt(4)
    assert file.alphas["transformer_blocks.0.attn1.to_k"] == pytest.approx(12 * 2**0.5)
    assert file.alphas["transformer_blocks.1.ff.net.2"] == pytest.approx(3 * 2)
    with safe_open(tmp_path / "l.safetensors", "pt") as opened:
        facts = opened.metadata()
    assert (facts["rank"], facts["alpha"]) == ("4", "24") and '"use_rslora": true' in facts["adapter_options"]
    assert TARGETS  # every kind above adapts the same layers
