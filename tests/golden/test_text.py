"""Features of valid tokens only and the connectors, against the reference's padded path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from ltx_core.models.text import Connectors, project

PATH = Path(__file__).parent / "data" / "text.safetensors"
TOLERANCE = 1e-5


@pytest.mark.parametrize("version", ["2.0", "2.3"])
def test_valid_tokens_alone_give_the_padded_result(version):
    from diffusers.pipelines.ltx2 import LTX2TextConnectors

    with safe_open(PATH, "pt") as file:
        facts = file.metadata()
    golden = {k.removeprefix(f"{version}."): v for k, v in load_file(PATH).items() if k.startswith(version)}
    module = LTX2TextConnectors.from_config(json.loads(facts[f"config_{version}"]))
    module.load_state_dict(
        {k.removeprefix("weights."): v for k, v in golden.items() if k.startswith("weights.")}, strict=True
    )
    features = []
    lengths = json.loads(facts["lengths"])
    mask = golden["attention_mask"].bool()
    assert mask.sum(1).tolist() == lengths and bool(golden["connector.mask"].all())
    for sample in range(len(lengths)):
        own = golden["hidden_states"][sample][mask[sample]]  # the padded run's states of valid tokens
        assert torch.equal(own, golden[f"valid_hidden_states.{sample}"])
        found = project(module, golden[f"valid_hidden_states.{sample}"][None])
        features.append({name: value[0] for name, value in found.items()})
        for modality in ("video", "audio"):
            expected = golden[f"valid_features.{modality}.{sample}"]
            found_one = features[-1].get(modality, features[-1]["video"])
            assert (found_one - expected).abs().max() < TOLERANCE
            padded = golden[f"features.{modality}"][sample]
            assert (found_one - padded[mask[sample]]).abs().max() < TOLERANCE
    contexts = Connectors(module, int(facts["sequence_length"])).contexts(features)
    for modality, context in zip(("video", "audio"), contexts, strict=True):
        assert (context - golden[f"connector.{modality}"]).abs().max() < TOLERANCE
