"""Swapped blocks and recomputed activations through the training stage: the same run, to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ltx_core.config.load import load
from ltx_core.models import swap
from ltx_core.models.compiling import ATTRIBUTE
from ltx_core.models.lora.file import read_lora
from ltx_core.models.swap import swap_of
from ltx_core.run import Pipeline
from ltx_core.stages.folder import product_of
from ltx_core.stages.network import base_of, open_training, open_velocity
from ltx_core.stages.train import train

ROOT = Path(__file__).parents[3]
SHORT = (
    "engine.threads=1",
    "acceleration.threads=1",
    "optimization.batch_size=1",
    "optimization.warmup_steps=0",
    "optimization.steps=2",
    "checkpoints.precision=float32",
    "validation.interval=null",
)
SMALLER = (
    "acceleration.blocks_to_swap=2",
    "optimization.enable_gradient_checkpointing=true",
    "optimization.checkpoint_every=2",
)


@pytest.fixture(scope="module")
def opened(one_film):
    """A function that opens a pipeline on one film of the demo."""
    workspace, source = one_film

    def open_pipeline(*overrides):
        settings = [f"workspace={workspace}", f"dataset.source={source}", *SHORT, *overrides]
        return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))

    return open_pipeline


def test_a_run_with_swapped_blocks_is_the_same_run_with_the_same_weights(opened, tmp_path, monkeypatch):
    pipe = opened()
    for stage in pipe.stages("train"):
        for chunk in pipe.plan(stage).chunks:
            pipe.compute(stage, chunk)
    smaller, fetched = opened(*SMALLER, "acceleration.compile=false"), []
    assert smaller.plan("train").cached == 1, "what is swapped or computed again is no part of a result"
    real = swap.BlockSwap.take
    monkeypatch.setattr(
        swap.BlockSwap, "take", lambda self, index: fetched.append(index) or real(self, index)
    )
    outcome = train(smaller.context, tmp_path / "run", "another")
    weights = [
        read_lora(product_of(smaller.context.config, folder)).weights
        for folder in (Path(pipe.manifest("train")["run"]), outcome.checkpoint)
    ]
    assert weights[0].keys() == weights[1].keys() and any(b.any() for _, b in weights[0].values())
    for name, pair in weights[0].items():
        assert all(torch.equal(a, b) for a, b in zip(pair, weights[1][name], strict=True)), name
    assert [0, 2, 2, 0] in [fetched[at : at + 4] for at in range(len(fetched))]  # there and back
    velocity = open_velocity(smaller.context, product_of(smaller.context.config, outcome.checkpoint))
    assert list(swap_of(velocity.model).slots) == [0, 2]
    with base_of(velocity):
        assert list(swap_of(velocity.model).slots) == [0, 2]


def test_the_config_reaches_the_transformer(opened):
    plain = open_training(opened().context)
    assert (plain.checkpointing, swap_of(plain.model), getattr(plain.model, ATTRIBUTE, None)) == (
        0,
        None,
        None,
    )
    found = open_training(opened(*SMALLER, "acceleration.compile=true").context)
    assert found.checkpointing == 2 and list(swap_of(found.model).slots) == [0, 2]
    assert getattr(found.model, ATTRIBUTE) == "inductor"
    frozen, learning = swap_of(found.model), [p for p in found.model.parameters() if p.requires_grad]
    held = {id(slot.get()) for own in frozen.slots.values() for slot in own}
    assert learning and not any(id(parameter) in held for parameter in learning)
