"""Where adapters go and what stays: patterns, blocks, frozen modalities; merged, swapped, compiled."""

from __future__ import annotations

import re

import pytest
import torch
from adapter_kinds import KINDS, PLAIN, adapted, kind, stirred
from learning_models import outputs, same, step
from lora_cases import run, tiny_transformer
from quantised_models import build
from torch._dynamo.testing import CompileCounterWithBackend
from zoo.folders import build_model

from ltx_core.models import compiling
from ltx_core.models.compiling import compile_blocks
from ltx_core.models.errors import ModelError
from ltx_core.models.export.merge import merge
from ltx_core.models.families import family_of
from ltx_core.models.full import train_all
from ltx_core.models.headers import lora_parameter_count
from ltx_core.models.info import ModelInfo
from ltx_core.models.lora.adapters import add_lora, lora_state, save_lora
from ltx_core.models.lora.file import read_lora
from ltx_core.models.lora.fit import check_continued, check_lora
from ltx_core.models.lora.inject import parameters
from ltx_core.models.lora.strength import set_strength
from ltx_core.models.names import BOTH, owner_of
from ltx_core.models.options import LoraOptions
from ltx_core.models.swap import swap_blocks


@pytest.fixture(scope="module")
def info(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "base"
    return ModelInfo.read(build_model(folder, "ltx2", "2.3", dtype=torch.float32))


def load(info, component=None):
    return family_of(info).load_transformer(info, "cpu", torch.float32, BOTH, component)


def test_a_rank_and_an_alpha_for_each_layer_by_the_longest_name():
    patterns = {"to_k": 2, "attn1.to_k": 3, "transformer_blocks.1.attn1.to_k": 5, "patchify_proj": 1}
    options = LoraOptions(
        8, 8, target_modules=("to_k", "to_q", "proj_in"), rank_pattern=patterns, alpha_pattern={"to_q": 2.0}
    )
    model = tiny_transformer("ltx2", "2.3")
    add_lora(model, options, 0)
    ranks = {n.removesuffix(".lora_A.weight"): len(p) for n, p in parameters(model).items() if "lora_A" in n}
    assert ranks["proj_in"] == 1 and ranks["transformer_blocks.0.attn2.to_k"] == 2
    assert ranks["transformer_blocks.0.attn1.to_k"] == 3 and ranks["transformer_blocks.1.attn1.to_k"] == 5
    assert (
        ranks["transformer_blocks.0.audio_attn1.to_k"] == 2 and ranks["transformer_blocks.0.attn1.to_q"] == 8
    )
    scales = {module: model.get_submodule(module).scaling["default"] for module in ranks}
    assert all(scales[module] == (2 if module.endswith("to_q") else 8) / ranks[module] for module in ranks)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank_pattern": {"to_kk": 2}}, r"lora\.rank_pattern: 'to_kk' matches none of the .*: to_k"),
        ({"alpha_pattern": {"ff.net.0.proj": 2.0}}, r"lora\.alpha_pattern: .* layers that get an adapter"),
        ({"layers": "1-7"}, r"lora\.layers 1-7: block 2 is not there; the transformer has the blocks 0 to 1"),
        ({"layers": (1,)}, r"'audio_proj_in' matches no linear layer of the transformer in lora\.layers 1"),
    ],
)
def test_what_means_no_layer_is_refused(options, message):
    with pytest.raises(ModelError, match=message):
        add_lora(tiny_transformer("ltx2", "2.3"), kind(**options), 0)


@pytest.mark.parametrize("layers", ["1", (1,), ("1",)])
def test_only_the_named_blocks_get_adapters(layers):
    options = LoraOptions(rank=2, layers=layers)
    model = tiny_transformer("ltx2", "2.3")
    add_lora(model, options, 0)
    names = list(lora_state(model))
    assert names and all(name.startswith("transformer_blocks.1.") for name in names)
    assert len(names) == 2 * 4 * 6


def test_equal_options_are_one_key_and_defaults_are_not_part_of_it():
    assert LoraOptions().as_key().keys() == {"rank", "alpha", "dropout", "target_modules"}
    spelled = [LoraOptions(layers=each).as_key() for each in ("0-2, 5", (5, 2, 1, 0), ("0-1", "2", 5))]
    assert all(key["layers"] == "0-2,5" for key in spelled)
    assert LoraOptions(use_dora=True).as_key()["use_dora"] is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "lokr", "use_dora": True}, "use_dora: kind 'lokr' has neither"),
        ({"decompose_factor": 8}, "decompose_factor are for kind 'lokr'"),
        ({"kind": "lokr", "decompose_factor": 0}, "decompose_factor is 0"),
        ({"layers": "3-1"}, "'3-1' is no block"),
        ({"layers": ()}, "no block is named"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LoraOptions(**options)


def learn(model, steps=3):
    """Steps of an optimizer on the loss of both modalities."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        sum(velocity.square().mean() for velocity in outputs("ltx2", model)).backward()
        optimizer.step()


@pytest.mark.parametrize("frozen", [("audio",), ("video",)])
def test_of_a_frozen_modality_nothing_learns_and_the_other_does(frozen):
    (still,), moving = frozen, {"audio": "video", "video": "audio"}[frozen[0]]
    model = build("ltx2")
    add_lora(model, LoraOptions(rank=2, target_modules=("to_k", "to_out.0")), 0, BOTH, frozen)
    names = list(lora_state(model))
    assert {owner_of(name) for name in names} == {moving}
    crossed = "audio_to_video_attn" if moving == "video" else "video_to_audio_attn"
    assert any(crossed in name for name in names)
    before = lora_state(model)
    learn(model)
    assert all(not torch.equal(before[name], after) for name, after in lora_state(model).items())

    whole = build("ltx2")
    train_all(whole, BOTH, frozen)
    before = {name: p.detach().clone() for name, p in whole.named_parameters()}
    learn(whole)
    changed = {name for name, p in whole.named_parameters() if not torch.equal(before[name], p)}
    assert changed and {owner_of(name) for name in changed} == {moving}
    assert all(p.grad is None for name, p in whole.named_parameters() if owner_of(name) == still)


def test_a_target_that_is_frozen_altogether_is_refused():
    with pytest.raises(
        ModelError, match=r"'audio_ff\.net\.2' means layers of audio alone, which optimization"
    ):
        add_lora(build("ltx2"), LoraOptions(target_modules=("to_k", "audio_ff.net.2")), 0, BOTH, ("audio",))


@pytest.mark.parametrize("name", ["rslora", "dora", "lokr"])
def test_merged_into_its_base_it_computes_the_same(name, info, tmp_path):
    path, model = tmp_path / "lora.safetensors", adapted(load(info), KINDS[name])
    save_lora(path, model, {"base_model_family": f"{info.family} {info.version}"})
    assert check_lora(path, info) == []
    for strength in (1.0, 0.5):
        set_strength(model, strength)
        merged = merge(info.part("transformer"), read_lora(path), strength)
        torch.testing.assert_close(run(load(info, merged)), run(model), rtol=0, atol=1e-4)
    counted = lora_parameter_count(info, KINDS[name], BOTH)
    assert counted == sum(value.numel() for value in lora_state(model).values())


def test_training_on_needs_the_same_kind_and_sizes(info, tmp_path):
    for name in ("patterns", "dora", "lokr"):
        save_lora(tmp_path / name, adapted(load(info), KINDS[name]), {})
        check_continued(tmp_path / name, info, KINDS[name])
    for name, options, message in (
        ("dora", PLAIN, r"is a DoRA, the options make a LoRA; set lora.kind=lora and lora.use_dora=true"),
        ("patterns", KINDS["lokr"], r"is a LoRA, the options make a LoKr"),
        ("lokr", KINDS["lokr factor"], r"has lokr_w1 of .*, the options mean lokr_w1"),
        ("patterns", kind(rank_pattern={"attn1.to_k": 3}), r"has rank 2 at .*attn1.to_k, lora.rank is 3"),
    ):
        with pytest.raises(ModelError, match=message):
            check_continued(tmp_path / name, info, options)


@pytest.fixture
def fresh():
    """No graph of another test, and none for the next."""
    torch._dynamo.reset()
    compiling._compiled.cache_clear()
    yield
    torch._dynamo.reset()
    compiling._compiled.cache_clear()


@pytest.mark.prove
@pytest.mark.parametrize("name", ["dora", "lokr"])
def test_blocks_swapped_and_compiled_learn_the_same(name, fresh):
    options = LoraOptions(
        rank=2, target_modules=("to_k", "net.2"), kind=KINDS[name].kind, use_dora=KINDS[name].use_dora
    )
    model = build("ltxv", 3)
    add_lora(model, options, 0)
    stirred(model, size=0.05)
    plain = step("ltxv", model)
    swap_blocks(model, 2, "cpu")
    assert same(step("ltxv", model), plain)
    swap_blocks(model, 0, "cpu")
    assert compile_blocks(model, CompileCounterWithBackend("aot_eager"))
    found = step("ltxv", model)
    assert found.keys() == plain.keys()
    for key, value in found.items():
        torch.testing.assert_close(value, plain[key], rtol=0, atol=1e-5)


def test_words_for_people_say_what_is_not_plain():
    assert LoraOptions().words() == {}
    assert re.search("use dora", " ".join(LoraOptions(use_dora=True).words()))
