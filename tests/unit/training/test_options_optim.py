"""Learning rates against torch's own schedulers, as the public trainer uses them; refused options."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch.optim import lr_scheduler

from ltx_core.training.optim import learning_rate, trainable
from ltx_core.training.options import CheckpointOptions, OptimizationOptions

STEPS, RATE = 40, 5e-4
PEERS = {
    "constant": (lr_scheduler.ConstantLR, {"factor": 1.0}, {}),
    "linear": (lr_scheduler.LinearLR, {"start_factor": 1.0, "end_factor": 0.1, "total_iters": STEPS}, {}),
    "cosine": (lr_scheduler.CosineAnnealingLR, {"T_max": STEPS, "eta_min": 1e-5}, {"eta_min": 1e-5}),
    "cosine_with_restarts": (
        lr_scheduler.CosineAnnealingWarmRestarts,
        {"T_0": 10, "T_mult": 2, "eta_min": 5e-5},
        {"T_0": 10, "T_mult": 2},
    ),
    "polynomial": (lr_scheduler.PolynomialLR, {"total_iters": STEPS, "power": 2.0}, {"power": 2}),
    "step": (lr_scheduler.StepLR, {"step_size": STEPS // 2, "gamma": 0.1}, {}),
}
STATED = {
    "linear": ({"start_factor": 0.5, "end_factor": 0.2}, [0.5, 0.485, 0.425, 0.2075]),
    "cosine": ({"min_lr_ratio": 0.2}, [1.0, 0.995075336, 0.882842712, 0.201233014]),
    "cosine_with_restarts": ({"num_cycles": 2, "eta_min": 0.2 * RATE}, [1.0, 0.980422607, 0.6, 0.204924664]),
    "polynomial": ({"power": 3, "min_lr_ratio": 0.5}, [1.0, 0.9286875, 0.7109375, 0.5000078125]),
    "step": ({"step_size": 5, "gamma": 0.5}, [1.0, 1.0, 0.25, 0.0078125]),
}
"""Parameters, and the shares of the rate that they give in steps 0, 2, 10 and 39 of 40."""


@pytest.mark.parametrize("kind", PEERS)
def test_schedules(kind):
    peer, arguments, params = PEERS[kind]
    options = OptimizationOptions(RATE, STEPS, scheduler_type=kind, scheduler_params=params)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler = peer(optimizer, **arguments)
    for step in range(STEPS):
        assert learning_rate(options, step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6), step
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step()


@pytest.mark.parametrize("kind", STATED)
def test_parameters_of_a_schedule_give_these_values(kind):
    params, shares = STATED[kind]
    options = OptimizationOptions(RATE, STEPS, scheduler_type=kind, scheduler_params=params)
    found = [learning_rate(options, step) / RATE for step in (0, 2, 10, STEPS - 1)]
    assert found == pytest.approx(shares, rel=1e-6)


TABLE = {
    "constant": [0.25, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0],
    "linear": [0.25, 0.5, 1.0, 1.0, 0.775, 0.55, 0.145],
    "cosine": [0.25, 0.5, 1.0, 1.0, 0.853553391, 0.5, 0.006155830],
    "cosine_with_restarts": [0.25, 0.5, 1.0, 1.0, 1.0, 1.0, 0.095541550],
    "polynomial": [0.25, 0.5, 1.0, 1.0, 0.75, 0.5, 0.05],
    "step": [0.25, 0.5, 1.0, 1.0, 1.0, 0.1, 0.1],
}
"""Rates by step of `AT`: 4 steps of warm-up to a highest rate of 1, then 20 of the schedule's defaults."""
AT = (0, 1, 3, 4, 9, 14, 23)


@pytest.mark.parametrize("kind", TABLE)
def test_values_at_given_steps_after_a_warm_up(kind):
    options = OptimizationOptions(1.0, 24, scheduler_type=kind, warmup_steps=4)
    assert [learning_rate(options, step) for step in AT] == pytest.approx(TABLE[kind], abs=2e-5)


@pytest.mark.parametrize("kind", sorted(set(PEERS) - {"constant"}))
def test_warm_up_then_down_to_the_floor(kind):
    params = {"min_lr_ratio": 0.2} | ({"num_cycles": 3} if kind == "cosine_with_restarts" else {})
    options = OptimizationOptions(1.0, 100, scheduler_type=kind, scheduler_params=params, warmup_steps=10)
    rates = [learning_rate(options, step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert rates[10] == 1.0
    assert min(rates[10:]) >= 0.2
    assert rates[-1] < 0.25 or kind == "step"
    assert all(0 < rate <= 1 for rate in rates)


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (OptimizationOptions, {"scheduler_params": {"power": 2}}, "end_factor"),
        (OptimizationOptions, {"steps": 10, "warmup_steps": 10}, "leave nothing"),
        (OptimizationOptions, {"steps": 0}, "greater than or equal to 1"),
        (OptimizationOptions, {"learning_rat": 1}, "learning_rat"),
        (CheckpointOptions, {"keep_last_n": -2}, "greater than or equal to -1"),
    ],
)
def test_refused_options(cls, values, message):
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(cls).validate_python(values)


def test_options_need_no_torch():
    code = "import sys, ltx_core.training.options; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_trainable_parameters_are_float32():
    layer = torch.nn.Linear(2, 2)
    assert list(trainable(layer)) == ["weight", "bias"]
    with pytest.raises(ValueError, match="bfloat16"):
        trainable(layer.bfloat16())
    with pytest.raises(ValueError, match="no trainable"):
        trainable(layer.requires_grad_(False))
