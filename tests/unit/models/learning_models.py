"""Small transformers of both families with adapters that have left zero, and a step's loss and gradients."""

from __future__ import annotations

import torch
from quantised_models import FORWARDS, build, streams

from ltx_core.models.lora.adapters import add_lora, load_lora_state, lora_state
from ltx_core.models.options import LoraOptions
from ltx_core.models.quantise.layers import quantise
from ltx_core.models.quantise.methods import SKIP_TRANSFORMER

BLOCKS = 5
EVERYWHERE = LoraOptions(rank=2, target_modules=("to_k", "to_out.0", "net.2"))


def learning(family, targets=EVERYWHERE, blocks=BLOCKS, method=None):
    """A frozen transformer with adapters, both halves of which get a gradient."""
    model = build(family, blocks)
    if method is not None:
        quantise(model, method, SKIP_TRANSFORMER)
    add_lora(model, targets, 0)
    draw = torch.Generator().manual_seed(3)
    state = {n: t + 0.05 * torch.randn(t.shape, generator=draw) for n, t in lora_state(model).items()}
    load_lora_state(model, state)
    return model


def outputs(family, model, given=None, **options):
    """The velocities of the streams that are there."""
    given = streams(family) if given is None else given
    found = FORWARDS[family](model, given["video"], given["audio"], **options)
    return [velocity for velocity in found if velocity is not None]


def step(family, model, given=None, **options):
    """Loss and gradients of one step, by name."""
    model.zero_grad(set_to_none=True)
    loss = sum(velocity.square().mean() for velocity in outputs(family, model, given, **options))
    loss.backward()
    named = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), **named}


def same(one, other):
    """Whether two steps are equal to the bit, and learned anything."""
    return (
        one.keys() == other.keys()
        and len(one) > 1
        and all(bool(one[name].any()) and torch.equal(one[name], other[name]) for name in one)
    )
