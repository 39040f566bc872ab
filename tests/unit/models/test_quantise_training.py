"""A LoRA on a quantised base: gradients are those of plain layers with the weights read back."""

from __future__ import annotations

from itertools import chain

import pytest
import torch
from quantised_models import build, pair, run, streams
from torch import nn

from ltx_core.models.lora.adapters import add_lora, load_lora, lora_off, lora_state, save_lora
from ltx_core.models.options import LoraOptions
from ltx_core.models.quantise.layers import QuantisedLinear, quantise
from ltx_core.models.quantise.methods import SKIP_TRANSFORMER
from ltx_core.models.swap import swap_blocks

METHODS = ("int8", "fp8", "int4", "nf4")
STEPS = 8
TARGETS = ("to_q", "to_out.0", "ff.net.2")


def train(family, model, checkpointing=0, steps=STEPS, autocast=None, swap=0):
    """Gradients of each of the steps, and the adapters at the end."""
    modalities = ["video", "audio"] if family == "ltx2" else ["video"]
    learning = add_lora(model, LoraOptions(rank=4, alpha=8, target_modules=TARGETS), 0, modalities)
    if swap:
        swap_blocks(model, swap, "cpu")
    optimizer = torch.optim.AdamW(learning, lr=1e-2)
    gradients = []
    for step in range(steps):
        given = streams(family, seed=step)
        with torch.autocast("cpu", autocast, enabled=autocast is not None):
            loss = run(family, model, given, checkpointing).float().square().mean()
        loss.backward()
        gradients.append([parameter.grad.clone() for parameter in learning])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return gradients, lora_state(model)


def relative(ours, theirs):
    """Largest difference, relative to the largest number."""
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-12))


@pytest.mark.parametrize("family", ["ltx2", "ltxv"])
@pytest.mark.parametrize("method", METHODS)
def test_eight_steps_have_the_gradients_of_plain_layers(method, family):
    quantised, plain = pair(family, method)
    theirs, expected = train(family, plain)
    again, _ = pair(family, method)
    for checkpointing, model in ((0, quantised), (1, again)):
        ours, trained = train(family, model, checkpointing)
        assert len(ours) == STEPS and all(torch.isfinite(g).all() for step in ours for g in step)
        assert all(gradient.abs().max() > 0 for gradient in ours[-1]), "every adapter learns"
        both = [found for step in zip(ours, theirs, strict=True) for found in zip(*step, strict=True)]
        assert max(relative(*found) for found in both) < 1e-5
        assert max(relative(trained[name], expected[name]) for name in expected) < 1e-5


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
@pytest.mark.parametrize("method", METHODS)
def test_autocast_computes_as_it_does_plain_layers(method):
    quantised, plain = pair("ltx2", method)
    ours, _ = train("ltx2", quantised, 1, 1, torch.bfloat16)
    theirs, _ = train("ltx2", plain, 1, 1, torch.bfloat16)
    # Float32 numbers that are read back in bfloat16 are rounded once, as autocast rounds a plain weight.
    assert all(torch.equal(*found) for found in zip(ours[0], theirs[0], strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_blocks_are_swapped_as_they_are_stored(method):
    (quantised, _), (swapped, _) = pair("ltx2", method), pair("ltx2", method)
    ours, _ = train("ltx2", quantised, 1, 2)
    theirs, _ = train("ltx2", swapped, 0, 2, swap=1)
    assert all(torch.equal(*found) for found in zip(chain(*ours), chain(*theirs), strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_no_weight_that_was_read_back_is_kept_for_the_backward_pass(method):
    linear = nn.Linear(256, 512)
    quantised = QuantisedLinear(linear, method)
    own = {part.data_ptr() for part in quantised.parts.values()}
    kept = []

    def pack(tensor):
        kept.append(tensor)
        return tensor

    given = torch.randn(3, 256, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        quantised(given).sum().backward()
    assert kept and all(tensor.data_ptr() in own for tensor in kept)
    expected = quantised.weight.sum(0).expand(3, -1)
    torch.testing.assert_close(given.grad, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_adapters_of_a_file_are_put_around_it_and_taken_off(method, tmp_path):
    model, _ = pair("ltx2", method)
    given = streams("ltx2")
    with torch.no_grad():
        base = run("ltx2", model, given)
    train("ltx2", model, 1, 2)
    with torch.no_grad():
        trained = run("ltx2", model, given)
        with lora_off(model):
            assert torch.equal(run("ltx2", model, given), base)
    save_lora(tmp_path / "lora.safetensors", model, {})
    again, _ = pair("ltx2", method)
    load_lora(again, tmp_path / "lora.safetensors")
    with torch.no_grad():
        assert relative(run("ltx2", again, given), trained) < 1e-5
    assert relative(trained, base) > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_a_compiled_layer_is_the_layer(method):
    layer = QuantisedLinear(nn.Linear(76, 24), method)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    found = []
    for call in (layer, compiled):
        given = torch.ones(2, 76, requires_grad=True)
        call(given).square().sum().backward()
        found.append(given.grad)
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)


def test_a_module_with_adapters_is_refused():
    model = build("ltxv")
    add_lora(model, LoraOptions(rank=2), 0, ["video"])
    with pytest.raises(ValueError, match="before they are added"):
        quantise(model, "int8", SKIP_TRANSFORMER)
