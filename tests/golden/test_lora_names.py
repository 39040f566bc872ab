"""Names of modules, and a LoRA in the original layout, against the reference."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from test_forward import TOLERANCE, golden_case, golden_transformer, largest

from ltx_core.models.export.lora import with_alpha, write_comfyui, write_diffusers
from ltx_core.models.forward import transformer_forward
from ltx_core.models.lora.adapters import add_lora, continue_lora, load_lora, lora_off, save_lora
from ltx_core.models.lora.file import read_lora
from ltx_core.models.lora.strength import set_strength
from ltx_core.models.names import to_diffusers, to_original
from ltx_core.models.options import LoraOptions

DATA = Path(__file__).parent / "data"


def test_every_name_maps_both_ways():
    names = json.loads((DATA / "transformer_names_2.3.json").read_text())
    assert len(names) == 230
    assert {to_diffusers(original) for original in names} == set(names.values())
    assert all(to_diffusers(original) == ours for original, ours in names.items())
    assert all(to_original(ours) == original for original, ours in names.items())


def test_a_lora_of_the_reference_trainer_computes_what_it_computed_there(tmp_path):
    facts = json.loads((DATA / "lora.json").read_text())
    outputs = load_file(DATA / "lora_outputs.safetensors")
    streams, _, _ = golden_case("2.3_independent_sigma")

    def check(model, case):
        with torch.no_grad():
            found = transformer_forward(model, **streams)
        expected = [outputs[f"{case}.{modality}.velocity"] for modality in ("video", "audio")]
        assert largest(found, expected) < TOLERANCE

    path = DATA / "lora.safetensors"
    assert sorted(read_lora(path).weights) == sorted(facts["modules"].values())
    model = golden_transformer("2.3")
    load_lora(model, path)
    check(model, "pipeline_strength_1.0")
    with lora_off(model):
        check(model, "base")
    set_strength(model, 0.5)
    check(model, "pipeline_strength_0.5")
    # The file has B without alpha / rank: trained on with the same alpha it starts where training ended.
    trained = golden_transformer("2.3")
    add_lora(trained, LoraOptions(4, 8, target_modules=tuple(facts["target_modules"])), seed=0)
    continue_lora(trained, path)
    check(trained, "alpha_over_rank")
    save_lora(tmp_path / "own.safetensors", trained, {})
    stated = golden_transformer("2.3")
    load_lora(stated, tmp_path / "own.safetensors")
    check(stated, "alpha_over_rank")
    given = with_alpha(read_lora(path), facts["alpha"])
    for form, write in (("comfyui", write_comfyui), ("diffusers", write_diffusers)):
        write(tmp_path / form, given)
        written = golden_transformer("2.3")
        load_lora(written, tmp_path / form)
        check(written, "alpha_over_rank")
