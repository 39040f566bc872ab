"""Several processes: what shared-out weights refuse, and which runs are one by their key."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltx_core.config.load import load
from ltx_core.config.process_checks import process_refusals
from ltx_core.stages.train import Train

ROOT = Path(__file__).parents[3]
FSDP = ("acceleration.processes=2", "acceleration.distribution=fsdp")
FULL = "model.training_mode=full"


def config(*overrides: str):
    return load(ROOT / "configs" / "demo.yaml", overrides, ROOT)


@pytest.mark.parametrize(
    "overrides",
    [
        ("acceleration.blocks_to_swap=1",),
        ("acceleration.compile=true",),
        (FULL, "optimization.optimizer_type=adafactor"),
        (FULL, "acceleration.mixed_precision_mode=fp16"),
        (FULL, "acceleration.offload_optimizer_during_validation=true"),
    ],
)
def test_what_shared_out_weights_cannot_do_is_refused(overrides):
    (problem,) = process_refusals(config(*FSDP, *overrides))
    assert overrides[-1].partition("=")[0] in problem and "; set " in problem
    assert process_refusals(config(*overrides)) == []


def test_a_lora_on_shared_out_weights_learns_with_any_optimizer():
    assert process_refusals(config(*FSDP, "optimization.optimizer_type=adafactor")) == []


def test_the_key_counts_the_passes_of_a_step_over_all_processes():
    def section(*overrides: str):
        return Train().without_beginning(config(*overrides))

    two = section("acceleration.processes=2")
    assert two == section("optimization.gradient_accumulation_steps=2") != section()
    assert two == section(*FSDP)
    assert section() == section("acceleration.processes=1", "acceleration.distribution=fsdp")
