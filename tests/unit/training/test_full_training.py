"""Full training of the demo's transformer through the loop: it learns, and goes on where it broke off."""

from __future__ import annotations

import pytest
import torch
from tiny import IDS, INFO, SCALES, batch, contexts, prepared, transformer
from toy import accelerator

from ltx_core.assemble import assemble
from ltx_core.models.folder import folder_component
from ltx_core.models.full import WEIGHTS, save_full, train_all
from ltx_core.models.ltx2 import load_transformer
from ltx_core.models.velocity import Velocity
from ltx_core.modes import Strategy
from ltx_core.training.checkpoint import STATE, latest
from ltx_core.training.log import read_metrics
from ltx_core.training.loop import CHECKPOINTS, train
from ltx_core.training.options import CheckpointOptions, OptimizationOptions
from ltx_core.training.plan import Parts, Plan
from ltx_core.training.step import StepOptions, training_step

FOLEY = Strategy(video={"is_generated": False}, audio={})
SOUND = Strategy(audio={})
UNIFORM = StepOptions(level_mode="uniform")
PRODUCT = "transformer"


def run(folder, strategy, *, breaks_at=None, autocast=None):
    """Six steps of a training; its forward pass fails in the step `breaks_at`."""
    modalities = list(strategy.streams)
    model = transformer(modalities)
    train_all(model, modalities)
    velocity, calls = Velocity(model, checkpointing=True, autocast=autocast), []

    def predict(*arguments):
        calls.append(1)
        if len(calls) == breaks_at:
            raise RuntimeError("broken off")
        return velocity(*arguments)

    plan = Plan(
        folder,
        dict.fromkeys(IDS, "one bucket"),
        OptimizationOptions(steps=6, batch_size=2, learning_rate=1e-3),
        CheckpointOptions(interval=2, keep_last_n=-1),
        UNIFORM,
        identity="full",
        ahead=0,
        tensorboard=False,
    )
    parts = Parts(
        model,
        lambda ids: batch(strategy),
        lambda given, coins: assemble(strategy, given, SCALES, coins),
        contexts,
        predict,
        lambda target, step: save_full(target / PRODUCT, model, [INFO.path / "transformer"], {}),
    )
    return train(plan, parts, accelerator())


def loss(strategy, folder=None):
    """At fixed noise, of the base or of a product."""
    product = None if folder is None else folder_component("transformer", folder)
    model = load_transformer(INFO, modalities=list(strategy.streams), component=product)
    with torch.no_grad():
        found = [
            training_step(prepared(strategy, 100 + n), Velocity(model), contexts, UNIFORM) for n in range(4)
        ]
    return sum(float(one.total) for one in found)


def files(folder):
    names = (f"{PRODUCT}/{WEIGHTS}", f"{STATE}/parameters.safetensors", f"{STATE}/optimizer.safetensors")
    return [(latest(folder / CHECKPOINTS) / name).read_bytes() for name in names]


@pytest.mark.parametrize("strategy", [FOLEY, SOUND], ids=["v2a", "t2a"])
def test_it_learns_and_a_resumed_one_equals_an_unbroken_one(tmp_path, strategy):
    outcome = run(tmp_path / "unbroken", strategy)
    product = outcome.checkpoint / PRODUCT
    assert loss(strategy, product) < 0.95 * loss(strategy)
    with pytest.raises(RuntimeError, match="broken off"):
        run(tmp_path / "broken", strategy, breaks_at=4)
    assert run(tmp_path / "broken", strategy).resumed_from == 2
    assert files(tmp_path / "broken") == files(tmp_path / "unbroken")
    for row in read_metrics(tmp_path / "broken"):
        assert row["loss_video"] is None and row["loss"] == row["loss_audio"]


def test_mixed_precision_computes_in_bf16_and_learns_in_float32(tmp_path):
    outcome = run(tmp_path, SOUND, autocast=torch.bfloat16)
    assert loss(SOUND, outcome.checkpoint / PRODUCT) < 0.95 * loss(SOUND)
    model = transformer(["audio"])
    train_all(model, ["audio"])
    predicted = []

    def predict(*arguments):
        predicted.append(Velocity(model, autocast=torch.bfloat16)(*arguments))
        return predicted[0]

    training_step(prepared(SOUND), predict, contexts, UNIFORM).total.backward()
    assert predicted[0]["audio"].dtype == torch.bfloat16
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())
