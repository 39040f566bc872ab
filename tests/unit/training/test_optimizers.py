"""Every optimizer: it learns, is resumed to the bit, gets what it takes, and is refused what it does not."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from safetensors.torch import load_file
from test_loop import product, rows
from torch import nn
from toy import run

from ltx_core.errors import LtxError
from ltx_core.models.memory.optimizers import moment_bytes
from ltx_core.training.checkpoint import STATE, latest
from ltx_core.training.loop import CHECKPOINTS
from ltx_core.training.optimizer_state import moments_of, put_back, unused, values_of
from ltx_core.training.optimizers import make_optimizer
from ltx_core.training.options import OptimizationOptions
from ltx_core.training.plan import Hook

NESTED = "toy_optimizers:Nested"
KINDS = {
    "adamw": {},
    "adamw8bit": {"optimizer_params": {"min_8bit_size": 1}},
    "adafactor": {"optimizer_params": {"beta1": 0.9}},
    "prodigy": {"learning_rate": 1.0, "optimizer_params": {"d_coef": 2.0}},
    "came": {},
    "torch.optim:RAdam": {},
    NESTED: {"weight_decay": 0.01},
}


def broken_off(step):
    raise RuntimeError("broken off")


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(tmp_path, kind):
    """Broken off after step 5, between two checkpoints; offloaded while hooks work."""
    options = {"steps": 9, "interval": 4, "optimizer_type": kind, **KINDS[kind]}
    run(tmp_path / "unbroken", **options)
    with pytest.raises(RuntimeError, match="broken off"):
        run(tmp_path / "broken", hooks=[Hook(broken_off, every=5)], **options)
    outcome, _ = run(tmp_path / "broken", hooks=[Hook(lambda step: None, every=3)], offload=True, **options)
    assert outcome.resumed_from == 4
    assert product(tmp_path / "broken") == product(tmp_path / "unbroken")
    assert rows(tmp_path / "broken") == rows(tmp_path / "unbroken")
    states = [latest(tmp_path / name / CHECKPOINTS) / STATE / "state.json" for name in ("broken", "unbroken")]
    assert states[0].read_bytes() == states[1].read_bytes()
    run(tmp_path / "other", **options | {"steps": 1})
    assert product(tmp_path / "other") != product(tmp_path / "unbroken")


def problem(kind, shape=(96, 64), **options):
    """(weights, optimizer, loss) of a quadratic whose gradients are as large as its weights are wrong."""
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(shape, generator=generator))
    bias = nn.Parameter(torch.randn(shape[0], generator=generator))
    found = OptimizationOptions(**{"learning_rate": 0.05, "optimizer_type": kind} | options)
    optimizer = make_optimizer({"all": [weight, bias]}, found)
    return (weight, bias), optimizer, lambda: weight.square().mean() + bias.square().mean()


def learn(optimizer, loss, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", [name for name in KINDS if name != NESTED])
def test_it_learns_and_its_state_is_as_large_as_planned(kind):
    rate = {"prodigy": 1.0, "torch.optim:RAdam": 0.2}.get(kind, 0.05)
    parameters, optimizer, loss = problem(kind, learning_rate=rate)
    before = loss().item()
    learn(optimizer, loss, 60)
    assert loss().item() < 0.25 * before
    found = moments_of({"weight": parameters[0], "bias": parameters[1]}, optimizer)
    size = sum(value.nbytes for value in found.values())
    planned = moment_bytes(kind, [tuple(parameter.shape) for parameter in parameters])
    assert size == pytest.approx(planned, rel=0.02, abs=2100)


def test_eight_bits_are_eight_bits_and_survive():
    """Blocks of uint8 with their scales and tables, put back into a fresh optimizer on new parameters."""
    parameters, optimizer, loss = problem("adamw8bit")
    names = dict(zip(("weight", "bias"), parameters, strict=True))
    fresh = unused(optimizer)
    learn(optimizer, loss, 5)
    tensors = moments_of(names, optimizer)
    assert tensors["weight/state1"].dtype == torch.uint8
    assert tensors["bias/state1"].dtype == torch.float32
    values = json.loads(json.dumps(values_of(names, optimizer, fresh)))
    others, again, other_loss = problem("adamw8bit")
    for parameter, own in zip(others, parameters, strict=True):
        parameter.data.copy_(own.data)
    put_back(tensors, values, dict(zip(names, others, strict=True)), again)
    learn(optimizer, loss, 3)
    learn(again, other_loss, 3)
    assert all(torch.equal(own, other) for own, other in zip(parameters, others, strict=True))


def test_what_an_optimizer_finds_out_is_kept(tmp_path):
    run(tmp_path, steps=12, optimizer_type="prodigy", learning_rate=1.0)
    folder = latest(tmp_path / CHECKPOINTS) / STATE
    (group,) = json.loads((folder / "state.json").read_text())["numbers"]["optimizer"]["groups"]
    assert group["d"] > 1e-6
    assert group["k"] == 12
    assert "betas" not in group and "lr" not in group, "what the config states is not taken from a checkpoint"


def test_older_states_are_read(tmp_path):
    """A checkpoint of before other optimizers: tensors by name alone."""
    options = {"steps": 6, "interval": 3}
    run(tmp_path / "unbroken", **options)
    with pytest.raises(RuntimeError, match="broken off"):
        run(tmp_path / "old", hooks=[Hook(broken_off, every=3)], **options)
    place = latest(tmp_path / "old" / CHECKPOINTS)
    state = json.loads((place / STATE / "state.json").read_text())
    assert {name.split("/")[1] for name in load_file(place / STATE / "optimizer.safetensors")} == {
        "step",
        "exp_avg",
        "exp_avg_sq",
    }
    del state["numbers"]["optimizer"]
    text = json.dumps(state, indent=1)
    (place / STATE / "state.json").write_text(text)
    seal(place)
    assert run(tmp_path / "old", **options)[0].resumed_from == 3
    assert product(tmp_path / "old") == product(tmp_path / "unbroken")


def seal(checkpoint):
    from ltx_core.store.keys import digest_file

    manifest = json.loads((checkpoint / "manifest.json").read_text())
    for name, entry in manifest["files"].items():
        entry |= {"size": (checkpoint / name).stat().st_size, "digest": digest_file(checkpoint / name)}
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))


def test_a_state_that_no_checkpoint_can_hold_is_told(tmp_path):
    with pytest.raises(LtxError, match=r"keeps a object as 'layer.weight/lock'.*minimal"):
        run(tmp_path, steps=2, optimizer_type="toy_optimizers:Opaque")
    run(tmp_path / "minimal", steps=2, optimizer_type="toy_optimizers:Opaque", save_training_state="minimal")


def test_a_minimal_state_holds_nothing_of_the_optimizer(tmp_path):
    options = {"optimizer_type": "prodigy", "learning_rate": 1.0, "save_training_state": "minimal"}
    run(tmp_path, steps=3, **options)
    folder = latest(tmp_path / CHECKPOINTS) / STATE
    assert "optimizer" not in json.loads((folder / "state.json").read_text())["numbers"]
    assert run(tmp_path, steps=5, **options)[0].resumed_from == 3


def test_arguments_reach_the_optimizers_that_have_them():
    options = {"betas": (0.8, 0.95), "weight_decay": 0.2}
    for kind in ("adamw", "adamw8bit", "prodigy"):
        (group,) = problem(kind, **options)[1].param_groups
        assert tuple(group["betas"]) == (0.8, 0.95) and group["weight_decay"] == 0.2
    (group,) = problem("came", **options)[1].param_groups
    assert group["betas"] == (0.8, 0.95, 0.9999)
    params = {"betas": [0.7, 0.9, 0.99], "eps": [1e-20, 1e-10]}
    (group,) = problem("came", optimizer_params=params)[1].param_groups
    assert (group["betas"], group["eps"]) == ((0.7, 0.9, 0.99), (1e-20, 1e-10))
    parameters, optimizer, loss = problem("torch.optim:SGD", weight_decay=0.0, learning_rate=0.5)
    before, (weight, _) = parameters[0].detach().clone(), parameters
    learn(optimizer, loss, 1)
    assert torch.allclose(weight, before - 0.5 * 2 * before / before.numel(), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer_params": {"beta": 1}}, "optimizer_params beta: 'adamw' takes .*betas.*eps"),
        ({"optimizer_params": {"lr": 1}}, "the rate is `optimization.learning_rate`"),
        ({"optimizer_params": {"eps": "small"}}, "'adamw' does not take"),
        ({"optimizer_type": "adafactor", "betas": (0.8, 0.9)}, "betas is .*'adafactor' has none"),
        ({"optimizer_type": "adafactor", "optimizer_params": {"relative_step": True}}, "Cannot combine"),
        ({"optimizer_type": "toy_optimizers:function"}, "no subclass of torch.optim.Optimizer"),
        ({"optimizer_type": "toy_optimizers:Free"}, "ema_decay"),
        ({"optimizer_type": "toy_optimizers:Missing"}, "no function of this name|no class"),
        ({"optimizer_type": "no_such_package:Thing"}, "there is no module"),
        ({"optimizer_type": "torch.optim:Rprop", "weight_decay": 0.5}, "'torch.optim:Rprop' has none"),
    ],
)
def test_what_an_optimizer_does_not_take_is_refused(options, message):
    with pytest.raises(LtxError, match=message):
        make_optimizer({"all": [nn.Parameter(torch.ones(2))]}, OptimizationOptions(**options))


@pytest.mark.parametrize("kind", ["adamw8bit", "came", "prodigy"])
def test_a_missing_package_names_the_extra(kind, monkeypatch):
    for name in ("bitsandbytes.optim", "came_pytorch", "prodigyopt"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LtxError, match=r"ltx-flows\[optimizers\]"):
        make_optimizer({"all": [nn.Parameter(torch.ones(2))]}, OptimizationOptions(optimizer_type=kind))
