"""Guidance against tensors computed once by the public LTX-2 trainer."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from ltx_core.sampling.guidance import Guidance

PATH = Path(__file__).parent / "data" / "guidance.safetensors"


def test_every_combination_of_scales():
    tensors = load_file(PATH)
    with safe_open(PATH, "pt") as file:
        cases = json.loads(file.metadata()["json"])["cases"]
    weaker = {
        "uncond": tensors["in.uncond_text"],
        "perturbed": tensors["in.uncond_perturbed"],
        "isolated": tensors["in.uncond_modality"],
    }
    assert len(cases) == 8
    for case in cases:
        guidance = Guidance(case["cfg_scale"], case["stg_scale"], case["modality_scale"], case["rescale"])
        flags = [case[f"runs_{name}"] for name in ("uncond", "perturbed", "isolated")]
        assert guidance.variants == tuple(name for name, run in zip(weaker, flags, strict=True) if run)
        found = guidance.combine(tensors["in.cond"], weaker)
        torch.testing.assert_close(found, tensors[f"out.{case['i']}"], rtol=1e-6, atol=1e-6)
        halves = {name: value.bfloat16() for name, value in weaker.items()}
        assert guidance.combine(tensors["in.cond"].bfloat16(), halves).dtype == torch.float32
