"""Numbers, bytes and names of the quantisation methods, on layers, whole transformers and text encoders."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from quantised_models import build, run, streams
from torch import nn

from ltx_core.models.errors import ModelError
from ltx_core.models.quantise.formats import FORMATS, NF4
from ltx_core.models.quantise.layers import QuantisedLinear, quantise
from ltx_core.models.quantise.methods import GROUP, SKIP_TEXT, SKIP_TRANSFORMER, stored_bytes

METHODS = ("int8", "fp8", "int4", "nf4")
NORMAL = {"int8": 0.0085, "fp8": 0.028, "int4": 0.1, "nf4": 0.1}.items()
"""Largest rms error of normal weights, relative to their own."""
BYTES = {"int8": 0.502, "fp8": 0.502, "int4": 0.284, "nf4": 0.284}.items()
"""Of a real block, beside bfloat16."""
FORWARD = {"int8": 0.007, "fp8": 0.03, "int4": 0.08, "nf4": 0.1}.items()
"""The usual rms error of a forward pass, as other libraries' methods of these widths have it."""
REAL = {
    "num_attention_heads": 32,
    "attention_head_dim": 128,
    "cross_attention_dim": 4096,
    "audio_num_attention_heads": 32,
    "audio_attention_head_dim": 64,
    "audio_cross_attention_dim": 2048,
    "num_layers": 1,
    "gated_attn": True,
    "cross_attn_mod": True,
    "audio_gated_attn": True,
    "audio_cross_attn_mod": True,
    "use_prompt_embeddings": False,
    "rope_type": "split",
}
"""LTX-2.3's sizes with one block."""


def rms(ours, exact):
    return float((ours - exact).norm() / exact.norm())


def read_back(method, weight):
    return FORMATS[method].decode(FORMATS[method].encode(weight), weight.shape[1], torch.float32)


@pytest.mark.parametrize("columns", [256, 100, 7])
@pytest.mark.parametrize(
    ("method", "largest"), [("int8", 0.0085), ("fp8", 0.028), ("int4", 0.1), ("nf4", 0.1)]
)
def test_the_error_of_normal_weights(method, largest, columns):
    draw = torch.Generator().manual_seed(0)
    weight = 0.02 * torch.randn(512, columns, generator=draw)
    assert rms(read_back(method, weight), weight) < largest
    assert rms(read_back(method, weight), weight) > largest / 10, "it is no copy"


@pytest.mark.parametrize("method", METHODS)
def test_no_number_is_further_off_than_half_a_step(method):
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn(64, 130, generator=draw)
    off = (read_back(method, weight) - weight).abs()
    padded = nn.functional.pad(weight, (0, -130 % GROUP)).unflatten(1, (-1, GROUP))
    row = weight.abs().amax(1, keepdim=True)
    group = padded.abs().amax(-1).repeat_interleave(GROUP, 1)[:, :130]
    spread = (padded.amax(-1) - padded.amin(-1)).repeat_interleave(GROUP, 1)[:, :130]
    widest = max(b - a for a, b in pairwise(NF4))
    bound = {
        "int8": row / 127 / 2,
        "fp8": torch.maximum(weight.abs() / 16, row / 448 * 2**-10),
        # Beside half a step, what the ends are off by in bfloat16.
        "int4": spread / 15 / 2 + (spread + group) * 2**-8,
        "nf4": group * widest / 2,
    }[method]
    assert bool((off <= bound * (1 + 1e-5)).all())


@pytest.mark.parametrize("method", METHODS)
def test_zeros_stay_zeros_and_what_was_read_back_is_stored_again_as_it_is(method):
    weight = torch.randn(8, 128)
    weight[3] = 0
    once = read_back(method, weight)
    assert torch.equal(once[3], torch.zeros(128))
    torch.testing.assert_close(
        read_back(method, once), once, rtol=1e-2 if method == "int4" else 1e-6, atol=0.02
    )


def test_the_levels_of_nf4_are_quantiles_of_a_normal_distribution():
    """The construction of QLoRA: 8 from 0 up and 7 below, the outermost at 1 - (1/30 + 1/32) / 2."""
    outermost = 1 - (1 / 30 + 1 / 32) / 2
    normal = torch.distributions.Normal(0.0, 1.0)
    above = normal.icdf(torch.linspace(outermost, 0.5, 9, dtype=torch.float64)[:-1])
    below = -normal.icdf(torch.linspace(outermost, 0.5, 8, dtype=torch.float64)[:-1])
    levels = torch.cat((below, torch.zeros(1, dtype=torch.float64), above.flip(0)))
    torch.testing.assert_close(
        torch.tensor(NF4, dtype=torch.float64), levels / levels.max(), rtol=0, atol=2e-6
    )


@pytest.mark.parametrize("method", METHODS)
def test_two_numbers_lie_in_a_byte_and_sizes_are_known_before_anything_is_made(method):
    for rows, columns in ((6, 128), (5, 100), (3, 7)):
        layer = QuantisedLinear(nn.Linear(columns, rows), method)
        assert sum(part.nbytes for part in layer.parts.values()) == stored_bytes(method, rows, columns)
        with torch.device("meta"):
            empty = QuantisedLinear(nn.Linear(columns, rows), method)
        assert {n: (p.shape, p.dtype) for n, p in empty.parts.items()} == {
            n: (p.shape, p.dtype) for n, p in layer.parts.items()
        }


@pytest.mark.parametrize(("method", "ratio"), BYTES)
def test_bytes_of_a_real_block(method, ratio):
    """Beside its bfloat16 form of 738 MiB; the rest are scales, norms, gates and tables."""
    from accelerate import init_empty_weights
    from diffusers import LTX2VideoTransformer3DModel

    with init_empty_weights():
        model = LTX2VideoTransformer3DModel(**REAL).to(torch.bfloat16)
    before = sum(p.nbytes for p in model.transformer_blocks[0].parameters())
    outside = {name: p.dtype for name, p in model.named_parameters() if not name.startswith("transformer_b")}
    quantise(model, method, SKIP_TRANSFORMER)
    after = sum(p.nbytes for p in model.transformer_blocks[0].parameters())
    assert before == pytest.approx(738 * 2**20, rel=0.001)
    assert after / before == pytest.approx(ratio, abs=0.002)
    again = {name: p.dtype for name, p in model.named_parameters() if not name.startswith("transformer_b")}
    assert again == outside, "nothing outside the blocks is quantised"


@pytest.mark.parametrize("family", ["ltx2", "ltxv"])
def test_which_layers_stay_exact(family):
    model = build(family)
    linear = {name for name, module in model.named_modules() if type(module) is nn.Linear}
    quantise(model, "int8", SKIP_TRANSFORMER)
    exact = {name for name, module in model.named_modules() if type(module) is nn.Linear}
    inside = {name for name in exact if name.startswith("transformer_blocks.")}
    assert {name.split(".")[-1] for name in inside} <= {"to_gate_logits"}
    assert exact - inside == {name for name in linear if not name.startswith("transformer_blocks.")}
    streams_of = {"to_q", "to_k", "to_v", "0", "2", "proj"}
    assert {name.split(".")[-1] for name in linear - exact} == streams_of
    with pytest.raises(ModelError, match="no linear layer of"):
        quantise(model, "int8", ("*",))


@pytest.mark.parametrize(("method", "usual"), FORWARD)
@pytest.mark.parametrize("family", ["ltx2", "ltxv"])
def test_the_error_of_a_forward_pass(family, method, usual):
    model, given = build(family), streams(family)
    with torch.no_grad():
        exact = run(family, model, given)
        quantise(model, method, SKIP_TRANSFORMER)
        assert usual / 2 < rms(run(family, model, given), exact) < usual * 1.5


@pytest.mark.parametrize("method", METHODS)
def test_a_cast_leaves_the_stored_weight_alone(method):
    layer = QuantisedLinear(nn.Linear(100, 12), method)
    before, stored = layer.weight, {name: part.clone() for name, part in layer.parts.items()}
    for move in (lambda m: m.to(torch.bfloat16), lambda m: m.half(), lambda m: m.float(), copy.deepcopy):
        layer = move(layer)
        assert all(torch.equal(part, stored[name]) for name, part in layer.parts.items())
        assert layer.weight.dtype == layer.bias.dtype, "a plain layer's weight would have that type"
    assert torch.equal(layer.weight, before)
    assert not any(p.requires_grad for p in layer.parameters())
    for dtype in (torch.bfloat16, torch.float16):
        found = layer(torch.ones(2, 100, dtype=dtype))
        assert found.dtype == dtype and rms(found.float(), layer(torch.ones(2, 100))) < 0.01


def encoders():
    """Tiny bare language models of both kinds, their widths no multiple of 64."""
    from transformers import Gemma3TextConfig, Gemma3TextModel, T5Config, T5EncoderModel

    torch.manual_seed(0)
    gemma = Gemma3TextConfig(
        vocab_size=99,
        hidden_size=72,
        intermediate_size=144,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=36,
    )
    t5 = T5Config(
        vocab_size=99,
        d_model=72,
        d_kv=36,
        d_ff=144,
        num_layers=3,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return {"gemma": Gemma3TextModel(gemma), "t5": T5EncoderModel(t5)}


@pytest.mark.parametrize("name", ["gemma", "t5"])
@pytest.mark.parametrize(("method", "least"), [("int8", 0.9995), ("nf4", 0.95)])
def test_a_quantised_text_encoder_gives_nearly_the_same_features(name, method, least):
    encoder = encoders()[name].eval().requires_grad_(False)
    tokens = torch.randint(0, 99, (1, 23), generator=torch.Generator().manual_seed(2))
    exact = encoder(input_ids=tokens, output_hidden_states=True).hidden_states
    linear = sum(type(module) is nn.Linear for module in encoder.modules())
    before = sum(p.nbytes for p in encoder.parameters())
    quantise(encoder, method, SKIP_TEXT)
    assert sum(isinstance(module, QuantisedLinear) for module in encoder.modules()) == linear
    assert sum(p.nbytes for p in encoder.parameters()) < before / 2
    found = encoder(input_ids=tokens, output_hidden_states=True).hidden_states
    cosines = [torch.cosine_similarity(a, b, -1).mean() for a, b in zip(found, exact, strict=True)]
    assert len(cosines) == 4 and min(cosines) > least and min(cosines) < 1


def test_t5_computes_wo_in_the_type_that_its_weight_had():
    """transformers keeps that layer in float32 beside float16, whose range its output can leave."""
    encoder = encoders()["t5"].eval().requires_grad_(False).half()
    wo = encoder.encoder.block[0].layer[1].DenseReluDense.wo.float()
    quantise(encoder, "int8", SKIP_TEXT)
    seen = []
    layer = encoder.encoder.block[0].layer[1].DenseReluDense.wo
    layer.register_forward_pre_hook(lambda module, given: seen.append(given[0].dtype))
    with torch.no_grad():
        encoder(input_ids=torch.tensor([[1, 2, 3]]))
    assert isinstance(layer, QuantisedLinear) and wo.weight.dtype == torch.float32 and seen == [torch.float32]
