"""The average of the weights: its values, where it is used, and that nothing of the training is lost."""

from __future__ import annotations

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file
from test_loop import product, rows
from toy import accelerator, make, run

from ltx_core.errors import LtxError
from ltx_core.training.checkpoint import STATE, latest
from ltx_core.training.ema import decay_at
from ltx_core.training.loop import CHECKPOINTS, train
from ltx_core.training.options import OptimizationOptions
from ltx_core.training.plan import Hook

AVERAGED = {"ema_decay": 0.6, "steps": 9, "interval": 4}


def weights_of(model):
    return {name: value.detach().clone() for name, value in model.layer.named_parameters()}


def watched(folder, **options):
    """(own weights after each step, those that hooks see after each step, folder of the last checkpoint)."""
    plan, parts = make(folder, **AVERAGED | options)
    own, seen = {0: weights_of(parts.model)}, []
    hook = Hook(lambda step: seen.append(weights_of(parts.model)), every=1, at_start=True)

    def report(progress):
        own[progress.step] = weights_of(parts.model)

    train(plan, parts, accelerator(), [hook], report)
    return list(own.values()), seen, latest(folder / CHECKPOINTS)


def reference(own, decays):
    """The average from its definition; a decay of None is no update."""
    found = [own[0]]
    for weights, decay in zip(own[1:], decays, strict=True):
        share = 0.0 if decay is None else 1 - decay
        found.append({name: found[-1][name] + share * (weights[name] - found[-1][name]) for name in weights})
    return found


def close(found, wanted):
    return all(
        torch.allclose(one[name], other[name], rtol=1e-6, atol=1e-8)
        for one, other in zip(found, wanted, strict=True)
        for name in one
    )


WARM = [min(0.6, (1 + n) / (10 + n)) for n in range(9)]


@pytest.mark.parametrize(
    ("options", "decays"),
    [
        ({}, WARM),
        ({"ema_warmup": False}, [0.6] * 9),
        ({"ema_every": 2}, [None, WARM[0], None, WARM[1], None, WARM[2], None, WARM[3], None]),
        ({"bad": (2, 3)}, [WARM[0], None, None, *WARM[1:7]]),
    ],
    ids=["warm-up", "no warm-up", "every other step", "skipped steps"],
)
def test_hooks_and_the_product_have_the_average(tmp_path, options, decays):
    own, seen, folder = watched(tmp_path, **options)
    wanted = reference(own, decays)
    assert close(seen, wanted)
    assert not close(seen[-1:], own[-1:])
    assert torch.equal(load_file(folder / "lora.safetensors")["weight"], seen[-1]["weight"])
    state = load_file(folder / STATE / "parameters.safetensors")
    averages = load_file(folder / STATE / "ema.safetensors")
    for name in own[-1]:
        assert torch.equal(state[f"layer.{name}"], own[-1][name]), "the training goes on with its own weights"
        assert torch.equal(averages[f"layer.{name}"], seen[-1][name])


def test_the_training_itself_is_untouched(tmp_path):
    """Own weights, losses and moments are those of a run without an average, to the bit, hooks or not."""
    watched(tmp_path / "averaged")
    run(tmp_path / "plain", steps=9, interval=4)
    averaged, plain = product(tmp_path / "averaged"), product(tmp_path / "plain")
    assert averaged.pop("lora.safetensors") != plain.pop("lora.safetensors")
    assert averaged == plain
    assert rows(tmp_path / "averaged") == rows(tmp_path / "plain")


@pytest.mark.parametrize("kept", ["full", "minimal"])
def test_it_is_resumed_to_the_bit_and_may_lie_on_the_host(tmp_path, kept):
    def broken_off(step):
        raise RuntimeError("broken off")

    # The optimizer without a state of its own is the same whatever was kept.
    options = AVERAGED | {"optimizer_type": "torch.optim:SGD", "save_training_state": kept}
    run(tmp_path / "unbroken", **options)
    with pytest.raises(RuntimeError, match="broken off"):
        run(tmp_path / "broken", hooks=[Hook(broken_off, every=6)], **options)
    assert run(tmp_path / "broken", ema_offload=True, **options)[0].resumed_from == 4
    ends = [latest(tmp_path / name / CHECKPOINTS) for name in ("unbroken", "broken")]
    for name in ("lora.safetensors", f"{STATE}/ema.safetensors", f"{STATE}/parameters.safetensors"):
        assert (ends[0] / name).read_bytes() == (ends[1] / name).read_bytes(), name
    assert rows(tmp_path / "broken") == rows(tmp_path / "unbroken")


def test_an_error_in_a_hook_leaves_the_own_weights(tmp_path):
    plan, parts = make(tmp_path, **AVERAGED)
    own = []

    def fail(step):
        raise RuntimeError("in a hook")

    def report(progress):
        own.append(weights_of(parts.model))

    with pytest.raises(RuntimeError, match="in a hook"):
        train(plan, parts, accelerator(), [Hook(fail, every=5)], report)
    now = weights_of(parts.model)
    assert all(torch.equal(now[name], own[-1][name]) for name in now)


def test_a_state_without_an_average_is_refused(tmp_path):
    run(tmp_path, steps=4, interval=4)
    with pytest.raises(LtxError, match="no average of this model's parameters"):
        run(tmp_path, ema_decay=0.9, steps=6)


def test_decays():
    options = OptimizationOptions(ema_decay=0.999)
    found = [decay_at(options, n) for n in (0, 1, 10, 90, 8000, 9000)]
    assert found == pytest.approx([0.1, 2 / 11, 0.55, 0.91, 8001 / 8010, 0.999])
    with pytest.raises(ValidationError, match="without ema_decay"):
        TypeAdapter(OptimizationOptions).validate_python({"ema_every": 3})
