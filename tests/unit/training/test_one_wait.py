"""A step waits for its device once: all but its one look runs on a device that cannot be looked at."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from accelerate import PartialState
from toy import accelerator

from ltx_core.assemble import assemble
from ltx_core.models.attention import choose_attention
from ltx_core.models.lora.adapters import add_lora
from ltx_core.models.options import LoraOptions
from ltx_core.models.velocity import Velocity
from ltx_core.modes import Strategy
from ltx_core.training import stepping
from ltx_core.training.data import Ahead
from ltx_core.training.learner import Learner
from ltx_core.training.options import OptimizationOptions
from ltx_core.training.plan import Parts, Plan
from ltx_core.training.step import StepOptions
from ltx_core.training.stepping import Stepper

META = torch.device("meta")
STEPS = 1
"""One is enough, and takes seconds: operations without numbers run in Python."""
MODES = {
    "both": Strategy(video={"conditions": [{"type": "first_frame", "probability": 0.5}]}, audio={}),
    "a reference in front": Strategy(
        video={"conditions": [{"type": "reference", "latents_dir": "reference_latents"}]}
    ),
}


@pytest.fixture
def away(monkeypatch):
    """An accelerator whose device has shapes and no numbers: each look at a tensor there is an error."""
    found = accelerator()
    for shared in (PartialState._shared_state, found.state.__dict__):
        monkeypatch.setitem(shared, "device", META)
    assert found.device == META
    return found


@pytest.fixture
def looks(monkeypatch):
    """What is looked at by the one function that may, which is told a loss of 1 and a norm of 2."""
    seen = []

    def read(tables, norm):
        assert norm.device == META and all(table.device == META for table in tables.values())
        seen.append(set(tables))
        return {name: [[1.0, 0.5, 1.0, 1.0]] * len(table) for name, table in tables.items()}, 2.0

    monkeypatch.setattr(stepping, "read", read)
    return seen


@pytest.mark.parametrize(("name", "checkpointing"), [("a reference in front", 0), ("both", 1)])
def test_a_step_looks_at_its_device_once(tmp_path, away, looks, name, checkpointing):
    strategy = MODES[name]
    model = tiny.transformer(tuple(strategy.streams))
    add_lora(model, LoraOptions(rank=2), 0, list(strategy.streams))
    model.to(META)
    options = OptimizationOptions(steps=STEPS, batch_size=2, max_grad_norm=1.0)
    plan = Plan(tmp_path, dict.fromkeys(tiny.IDS, "wide"), options, step=StepOptions(caption_dropout=0.5))
    parts = Parts(
        model=model,
        read=lambda ids: replace(tiny.batch(strategy), clip_ids=tuple(ids)),
        assemble=lambda batch, coins: assemble(strategy, batch, tiny.SCALES, coins),
        contexts=lambda captions: {k: v.to(META) for k, v in tiny.contexts(captions).items()},
        predict=Velocity(model, checkpointing),
        export=lambda folder, step: None,
    )
    stepper = Stepper(plan, parts, away, Learner(model, options, away), lambda: False, lambda *why: why[0])
    with Ahead(stepper.prepare, range(STEPS), plan.ahead) as ahead:
        rows = [stepper.take(step, ahead)[0] for step in range(STEPS)]
    assert looks == [set(strategy.streams)] * STEPS
    assert [(row["step"], row["grad_norm"], row["skipped"]) for row in rows] == [(1, 2.0, "")]
    assert all(row["tokens"] > 0 and row["forward_seconds"] > 0 for row in rows)


def test_a_look_anywhere_else_would_be_noticed(away):
    with pytest.raises(RuntimeError, match="meta"):
        bool((torch.zeros(2, device=away.device) == 0).all())


def test_a_step_of_padded_text_never_looks_at_its_device():
    from diffusers import LTXVideoTransformer3DModel

    from ltx_core.models.ltxv.forward import ltxv_forward
    from ltx_core.models.stream import Stream

    sizes = {"num_attention_heads": 2, "attention_head_dim": 12, "cross_attention_dim": 24, "num_layers": 2}
    model = LTXVideoTransformer3DModel(in_channels=8, out_channels=8, caption_channels=20, **sizes).to(META)
    choose_attention(model, "math", META, torch.float32)
    stream = Stream(
        tokens=torch.empty(2, 6, 8, device=META),
        timesteps=torch.empty(2, 6, device=META),
        sigma=torch.empty(2, device=META),
        positions=torch.empty(2, 3, 6, 2, device=META),
        context=torch.empty(2, 5, 20, device=META),
    )
    ltxv_forward(model, stream, None, checkpointing=1)[0].sum().backward()
    assert model.proj_in.weight.grad.shape == model.proj_in.weight.shape
