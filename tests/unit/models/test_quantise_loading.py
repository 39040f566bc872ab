"""Weights are quantised as they are read: as quantising what was loaded, one whole weight at a time."""

from __future__ import annotations

import weakref
from pathlib import Path

import pytest
import torch
from zoo import ltxv_parts, words

from ltx_core.models.folder import folder_component
from ltx_core.models.info import ModelInfo
from ltx_core.models.ltx2 import load_text, load_transformer
from ltx_core.models.ltxv.load import load_transformer as load_ltxv
from ltx_core.models.ltxv.text import load_t5
from ltx_core.models.quantise.formats import FORMATS, Format
from ltx_core.models.quantise.layers import QuantisedLinear, Quantiser, quantise
from ltx_core.models.quantise.methods import SKIP_TEXT, SKIP_TRANSFORMER

INFO = ModelInfo.read(Path(__file__).parents[3] / "data" / "model")
METHODS = ("int8", "fp8", "int4", "nf4")


@pytest.mark.parametrize(
    ("method", "dtype"), list(zip(METHODS, [torch.float32, torch.bfloat16] * 2, strict=True))
)
def test_a_transformer_is_quantised_as_it_is_read(method, dtype):
    loaded = load_transformer(INFO, dtype=dtype)
    quantise(loaded, method, SKIP_TRANSFORMER)
    read = load_transformer(INFO, dtype=dtype, quantiser=Quantiser(method, SKIP_TRANSFORMER))
    expected, found = loaded.state_dict(), read.state_dict()
    assert found.keys() == expected.keys() and not any(name.endswith("to_q.weight") for name in found)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert all(found[name].dtype == expected[name].dtype for name in expected)
    assert not read.training and not any(p.requires_grad for p in read.parameters())
    layers = [module for module in read.modules() if isinstance(module, QuantisedLinear)]
    assert layers and all(layer.weight.dtype == dtype for layer in layers)


def test_never_is_a_second_whole_weight_in_memory(monkeypatch):
    alive = []

    def encode(weight):
        if weight.device.type != "meta":
            alive.append(weakref.ref(weight))
            # The one before is still held while the loop turns; all earlier ones are gone.
            assert sum(reference() is not None for reference in alive) <= 2
        return FORMATS["int8"].encode(weight)

    counted = {**FORMATS, "int8": Format(encode, FORMATS["int8"].decode)}
    monkeypatch.setattr("ltx_core.models.quantise.layers.FORMATS", counted)
    model = load_transformer(INFO, quantiser=Quantiser("int8", SKIP_TRANSFORMER))
    layers = [module for module in model.modules() if isinstance(module, QuantisedLinear)]
    assert len(alive) == len(layers) > 20
    assert not any(reference() is not None for reference in alive)


@pytest.mark.parametrize(("method", "least"), [("int8", 0.999), ("nf4", 0.95)])
def test_features_of_a_quantised_text_encoder_are_near_the_exact_ones(method, least):
    exact = load_text(INFO)
    near = load_text(INFO, quantiser=Quantiser(method, SKIP_TEXT))
    assert any(isinstance(module, QuantisedLinear) for module in near.encoder.modules())
    assert not any(isinstance(module, QuantisedLinear) for module in near.projections.modules())
    for caption in ("", "a blue square moves up"):
        pairs = (each.encode(caption).tensors for each in (near, exact))
        for ours, theirs in zip(*(list(found.values()) for found in pairs), strict=True):
            assert not torch.equal(ours, theirs)
            assert torch.cosine_similarity(ours, theirs, -1).mean() > least


def test_ltx_video_and_its_text_encoder_are_quantised_as_they_are_read(tmp_path):
    ltxv_parts.transformer("0.9.6").save_pretrained(tmp_path / "transformer")
    words.t5(99).save_pretrained(tmp_path / "text_encoder")
    parts = {name: folder_component(name, tmp_path / name) for name in ("transformer", "text_encoder")}
    exact = load_ltxv(INFO, component=parts["transformer"])
    read = load_ltxv(INFO, component=parts["transformer"], quantiser=Quantiser("int8", SKIP_TRANSFORMER))
    quantise(exact, "int8", SKIP_TRANSFORMER)
    assert all(torch.equal(value, read.state_dict()[name]) for name, value in exact.state_dict().items())
    tokens = torch.randint(0, 99, (1, 9), generator=torch.Generator().manual_seed(0))
    features = []
    for quantiser in (None, Quantiser("int8", SKIP_TEXT)):
        encoder = load_t5(parts["text_encoder"], "cpu", torch.float32, quantiser)
        assert any(isinstance(m, QuantisedLinear) for m in encoder.modules()) == (quantiser is not None)
        features.append(encoder(input_ids=tokens).last_hidden_state)
    assert not torch.equal(*features) and torch.cosine_similarity(*features, -1).min() > 0.999
