"""What `acceleration` of the older trainer's config does: precision, quantised weights, compiled blocks."""

from __future__ import annotations

import pytest
import torch
from accelerate.state import AcceleratorState
from older_films import LAYER, prepared, read, same
from torch import nn

from ltx_core.errors import LtxError
from ltx_core.models import compiling
from ltx_core.models.quantise.layers import QuantisedLinear
from ltx_core.stages import network
from ltx_core.stages.batches import open_contexts
from ltx_core.stages.train import step_options
from ltx_core.training.step import training_step


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
@pytest.mark.parametrize("mode", ["lora", "full"])
def test_in_mixed_precision_a_pass_is_narrow_and_what_learns_is_not(
    older_run, older_plain, monkeypatch, mode
):
    """The first loss of a LoRA and of full training is that of the base, and differs by rounding alone."""
    monkeypatch.setattr(AcceleratorState, "_shared_state", {})  # another precision than of other tests
    real, seen = network.open_training, {}

    def opening(context):
        velocity = real(context)
        layer = velocity.model.get_submodule(LAYER)

        def look(module, inputs, output):
            seen[output.dtype] = seen.get(output.dtype, 0) + 1

        layer.register_forward_hook(look)
        seen["base"] = getattr(layer, "base_layer", layer).weight.dtype
        return velocity

    monkeypatch.setattr(network, "open_training", opening)
    narrow = older_run(model={"training_mode": mode}, acceleration={"mixed_precision_mode": "bf16"})
    frozen = torch.bfloat16 if mode == "lora" else torch.float32
    assert seen == {"base": frozen, torch.bfloat16: 2}
    for tensors in (narrow.weights, narrow.moments):
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert any(not torch.equal(value, value.bfloat16().float()) for value in narrow.weights.values())
    loss, exact = narrow.rows[0]["loss"], older_plain.rows[0]["loss"]
    assert loss != exact and loss == pytest.approx(exact, rel=0.02)


def test_half_precision_needs_a_gpu(older_run):
    with pytest.raises(LtxError, match="`mixed_precision_mode: fp16` needs a GPU"):
        older_run(acceleration={"mixed_precision_mode": "fp16"})


def gradients(context):
    """(gradients of the adapters in one step, bytes of the frozen weights, how many layers are quantised)."""
    rows, batch = read(context)
    velocity, contexts = network.open_training(context), open_contexts(context, rows)
    loss = training_step(prepared(context, batch), velocity, contexts, step_options(context.config))
    loss.total.backward()
    learning = [p for p in velocity.model.parameters() if p.requires_grad]
    frozen = [p for p in velocity.model.parameters() if not p.requires_grad]
    assert all(p.grad is None for p in frozen) and all(p.dtype == torch.float32 for p in learning)
    size = sum(tensor.nbytes for tensor in [*frozen, *velocity.model.buffers()])
    layers = sum(isinstance(module, QuantisedLinear) for module in velocity.model.modules())
    return torch.cat([p.grad.flatten() for p in learning]), size, layers


def test_a_quantised_base_is_smaller_and_leads_the_adapters_nearly_the_same_way(older):
    exact, whole, none = gradients(older())
    assert none == 0
    sizes = {}
    for name, least in (("int8", 0.999), ("fp8", 0.99), ("fp8uz", 0.99), ("int4", 0.9)):
        found, sizes[name], layers = gradients(older(acceleration={"quantization": f"{name}-quanto"}))
        assert layers > 20, name
        assert least < float(torch.cosine_similarity(found, exact, dim=0)) < 1 - 1e-7, name
    assert sizes["int4"] < sizes["int8"] < 0.6 * whole and sizes["fp8"] == sizes["fp8uz"] < 0.6 * whole


def test_a_text_encoder_in_8_bit_is_smaller_and_says_nearly_the_same(older):
    features, sizes = [], []
    for narrow in (False, True):
        text = older(acceleration={"load_text_encoder_in_8bit": narrow}).models.text()
        layers = [m for m in text.encoder.modules() if isinstance(m, nn.Linear | QuantisedLinear)]
        assert any(isinstance(m, QuantisedLinear) for m in layers) == narrow
        tensors = [*text.encoder.parameters(), *text.encoder.buffers()]
        sizes.append(sum(t.nbytes for t in tensors))
        features.append(text.encode("a blue square moves up").tensors["video"])
    assert sizes[1] < 0.9 * sizes[0]
    assert not torch.equal(*features) and torch.cosine_similarity(*features, -1).mean() > 0.999


def test_blocks_are_compiled_in_the_stated_mode_where_that_is_asked_for(older_run, older_plain, monkeypatch):
    """What the compiler makes of them is proved elsewhere: here it gives each function back as it is."""
    told, ran = [], []

    def compiler(step, **how):
        told.append((how["backend"], how["mode"]))
        return lambda *arguments: ran.append(1) or step(*arguments)

    monkeypatch.setattr(torch, "compile", compiler)
    monkeypatch.setattr(compiling, "missing_compiler", lambda device: None)
    compiling._compiled.cache_clear()
    found = older_run(acceleration={"compile_with_inductor": True, "compilation_mode": "max-autotune"})
    compiling._compiled.cache_clear()
    assert told == [("inductor", "max-autotune-no-cudagraphs")]
    assert len(ran) == 2 * 3, "each of the blocks in each of the steps"
    assert same(found, older_plain)
