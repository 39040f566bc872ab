"""What a plan says of optimizers and of the weights' average."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows._estimate import show_estimate
from ltx_core.config.load import load
from ltx_core.run import Pipeline

ROOT = Path(__file__).parents[3]
SETTINGS = ("acceleration.offload_optimizer_during_validation=false", "checkpoints.keep_last_n=1")


@pytest.fixture
def estimated(tmp_path):
    def estimate(*settings):
        where = (f"workspace={tmp_path}", f"dataset.source={ROOT / 'data' / 'footage'}", *SETTINGS)
        pipeline = Pipeline(load(ROOT / "configs" / "demo.yaml", [*where, *settings], ROOT))
        return pipeline.estimate(pipeline.plans())

    return estimate


def needs(estimate):
    return {need.stage: need for need in estimate.fit.needs}


def test_the_state_of_an_optimizer_is_a_part_of_the_plan(estimated):
    plain = estimated()
    count = plain.trained_parameters
    assert plain.moment_bytes == 8 * count
    assert needs(plain)["train"].state == 12 * count and needs(plain)["samples"].state == 8 * count
    small = estimated("optimization.optimizer_type=adafactor")
    saved = plain.moment_bytes - small.moment_bytes
    assert saved > 7 * count
    for stage in ("train", "samples"):
        assert needs(plain)[stage].state - needs(small)[stage].state == saved
    large = estimated("optimization.optimizer_type=prodigy")
    assert large.moment_bytes == 16 * count
    # One checkpoint is kept: weights and moments.
    assert plain.checkpoint_bytes - small.checkpoint_bytes == saved


def test_an_average_lies_where_it_is_told_to(estimated):
    plain, device, host = (
        estimated(),
        estimated("optimization.ema_decay=0.99"),
        estimated("optimization.ema_decay=0.99", "optimization.ema_offload=true"),
    )
    count = plain.trained_parameters
    assert needs(device)["train"].state == needs(plain)["train"].state + 4 * count
    assert needs(device)["samples"].state == needs(plain)["samples"].state + 4 * count
    assert needs(host)["train"].state == needs(plain)["train"].state
    assert device.checkpoint_bytes == host.checkpoint_bytes == plain.checkpoint_bytes + 4 * count


def test_a_plan_says_it(estimated, capsys):
    show_estimate(estimated("optimization.optimizer_type=came", "optimization.ema_decay=0.99"))
    text = " ".join(capsys.readouterr().out.split())
    assert "came keeps 4." in text and "the average of the weights 4 more, on the device" in text
    show_estimate(estimated("optimization.optimizer_type=torch.optim:RAdam"))
    assert "torch.optim:RAdam keeps 8 bytes for each (taken to be as AdamW)" in " ".join(
        capsys.readouterr().out.split()
    )
