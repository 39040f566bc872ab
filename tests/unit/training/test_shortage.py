"""A step that runs out of memory: what is said, that it is given back and saved, and that the run goes on."""

from __future__ import annotations

import itertools
import json
import weakref
from dataclasses import replace

import pytest
import torch
from toy import accelerator, make, run

from ltx_core.training.checkpoint import STATE, latest
from ltx_core.training.loop import CHECKPOINTS, TrainingError, train
from ltx_core.training.plan import Hook

OPTIONS = {"steps": 8, "gradient_accumulation_steps": 2, "interval": None}
DEVICE = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 139 GiB in all, of which 1 GiB is free."


def on_the_device():
    raise torch.OutOfMemoryError(DEVICE)


def on_the_host():
    torch.empty(1 << 50)  # a petabyte, which the allocator refuses


def starve(folder, fail, at, hooks=(), **changes):
    """Train until the forward pass `at`, counted from 1, runs out; what was known by the remedies."""
    plan, parts = make(folder, **{**OPTIONS, **changes})
    calls, kept, seen = itertools.count(1), [], []

    def predict(*arguments, **named):
        found = parts.predict(*arguments, **named)
        kept.append(weakref.ref(found["video"]))
        if next(calls) == at:
            fail()
        return found

    def remedies(shortage):
        alive = sum(ref() is not None for ref in kept)
        gradients = [p for p in parts.model.parameters() if p.grad is not None]
        seen.append((shortage, alive, len(gradients)))
        return ["What would make it fit, in this order:", "  1. acceleration.blocks_to_swap=4"]

    with pytest.raises(TrainingError) as caught:
        train(plan, replace(parts, predict=predict, remedies=remedies), accelerator(), hooks)
    return str(caught.value), seen


@pytest.mark.parametrize("fail", [on_the_device, on_the_host])
def test_it_says_what_did_not_fit_and_saves_the_steps_before(tmp_path, fail):
    text, ((shortage, alive, gradients),) = starve(tmp_path / "run", fail, at=8)
    assert shortage.step == 4 and shortage.batch == 2 and set(shortage.tokens) == {"video", "audio"}
    assert f"out of memory at step 4: bucket {shortage.bucket}, a batch of 2, 12 video + 3 audio" in text
    asked = "2.00 GiB" if fail is on_the_device else f"{(1 << 50) * 4} bytes"
    assert f"asked for {asked}" in text
    assert "1. acceleration.blocks_to_swap=4" in text and "The state of step 3 is saved" in text
    assert (alive, gradients) == (0, 0), "the pass' graph and the gradients are given back before the save"
    events = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [event["step"] for event in events if event["event"] == "out_of_memory"] == [4]

    outcome, _ = run(tmp_path / "run", **OPTIONS, enable_gradient_checkpointing=True)
    assert outcome.resumed_from == 3
    run(tmp_path / "whole", **OPTIONS)
    states = [latest(tmp_path / name / CHECKPOINTS) / STATE for name in ("run", "whole")]
    for name in ("parameters.safetensors", "optimizer.safetensors"):
        assert (states[0] / name).read_bytes() == (states[1] / name).read_bytes()


def test_before_anything_was_learnt_there_is_nothing_to_save(tmp_path):
    text, _ = starve(tmp_path, on_the_device, at=1)
    assert "out of memory at step 1" in text and "begins at step 0" in text
    assert latest(tmp_path / CHECKPOINTS) is None


def test_other_errors_are_not_taken_for_it(tmp_path):
    plan, parts = make(tmp_path, **OPTIONS)

    def broken(*arguments, **named):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        train(plan, replace(parts, predict=broken), accelerator())


def test_what_is_done_beside_the_steps_may_run_out_too(tmp_path):
    plan, parts = make(tmp_path, **OPTIONS)
    with pytest.raises(TrainingError, match=r"after step 5 \(2.00 GiB .* The state of step 5 is saved"):
        train(plan, parts, accelerator(), [Hook(lambda step: on_the_device(), every=5)])
    assert latest(tmp_path / CHECKPOINTS).name == "step_000005"
