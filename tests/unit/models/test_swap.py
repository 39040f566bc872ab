"""Block swap: equal to the bit, two blocks on the device, and nothing left behind whatever happens."""

from __future__ import annotations

import weakref
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from learning_models import BLOCKS, EVERYWHERE, learning, outputs, same, step
from quantised_models import streams

from ltx_core.models import swap as room
from ltx_core.models.errors import ModelError
from ltx_core.models.full import train_all
from ltx_core.models.lora.adapters import lora_off
from ltx_core.models.lora.strength import set_strength
from ltx_core.models.names import BOTH
from ltx_core.models.options import LoraOptions
from ltx_core.models.swap import swap_blocks, swap_of
from ltx_core.models.swap_plan import resident_bytes, swapped_blocks
from ltx_core.training.optim import adamw, trainable
from ltx_core.training.options import OptimizationOptions

FAMILIES = ["ltx2", "ltxv"]
CASES = [("ltx2", 3), ("ltx2", BLOCKS), ("ltxv", 1), ("ltxv", 3)]


class Device:
    """Counts the bytes of the working copies that are alive."""

    def __init__(self, monkeypatch):
        self.alive, self.peak, self.copied = {}, 0, 0
        self.make = room._like
        monkeypatch.setattr(room, "_like", self.like)

    def like(self, host, device):
        value = self.make(host, device)
        memory, self.copied = value.untyped_storage(), self.copied + 1
        self.alive[self.copied] = memory.nbytes()
        weakref.finalize(memory, self.alive.pop, self.copied)
        self.peak = max(self.peak, sum(self.alive.values()))
        return value

    def measure(self):
        """The peak since the last call; every copy must be gone, with no help of the garbage collector."""
        assert sum(self.alive.values()) == 0
        peak, self.peak = self.peak, 0
        return peak


@pytest.fixture
def device(monkeypatch):
    return Device(monkeypatch)


def block_bytes(model):
    """Bytes of the frozen weights of each block, buffers included."""
    return [
        sum(t.nbytes for name, t in block.state_dict().items() if ".lora_" not in name)
        for block in model.transformer_blocks
    ]


def state(model):
    return {name: (id(p), p.data_ptr()) for name, p in model.named_parameters()}


@pytest.mark.parametrize(("family", "count"), CASES)
def test_loss_and_gradients_are_equal_to_the_bit_with_two_blocks_on_the_device(device, family, count):
    model = learning(family)
    cases = [{}, {"checkpointing": 1}, {"checkpointing": 2, "stg_blocks": (1, 2)}]
    if family == "ltx2":
        cases += [{"given": {**streams(family), name: None}} for name in BOTH]
    plain = [step(family, model, **case) for case in cases]
    sampled = outputs(family, model)
    swap_blocks(model, count, "cpu")
    one, before = block_bytes(model)[0], state(model)
    for case, expected in zip(cases, plain, strict=True):
        assert same(expected, step(family, model, **case))
        assert device.measure() == min(2, count) * one
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(sampled, outputs(family, model), strict=True))
    assert device.measure() == min(2, count) * one
    assert state(model) == before  # the very same parameters stand there again
    swap_blocks(model, 0, "cpu")
    assert swap_of(model) is None and same(plain[0], step(family, model)) and device.measure() == 0


@pytest.mark.parametrize("method", ["int8", "nf4"])
@pytest.mark.parametrize("family", FAMILIES)
def test_quantised_blocks_are_swapped_as_they_are_stored(device, family, method):
    model = learning(family, method=method)
    plain = step(family, model, checkpointing=1)
    swap_blocks(model, 3, "cpu")
    assert same(plain, step(family, model))
    assert device.measure() == 2 * block_bytes(model)[0] < block_bytes(learning(family))[0]


def test_buffers_are_swapped_and_may_be_exchanged_between_steps(device):
    def scaled(module, given, found):
        return found * module.factor

    losses = {}
    for count in (0, 2):
        model = learning("ltxv")
        for block in model.transformer_blocks:
            block.ff.register_buffer("factor", torch.tensor([1.5]))
            block.ff.register_forward_hook(scaled)
        swap_blocks(model, count, "cpu")
        losses[count] = [step("ltxv", model)["loss"]]
        for block in model.transformer_blocks:
            block.ff.factor = torch.tensor([0.5])
        losses[count].append(step("ltxv", model)["loss"])
    assert losses[0] == losses[2] and losses[0][0] != losses[0][1]
    assert device.measure() == 2 * block_bytes(model)[0]


def test_many_steps_learn_the_same_and_samples_between_them_see_each_step():
    found = {}
    for count in (0, 3):
        model = learning("ltx2")
        swap_blocks(model, count, "cpu")
        optimizer, seen = adamw(trainable(model).values(), OptimizationOptions(learning_rate=1e-2)), []
        for _ in range(3):
            seen.append(step("ltx2", model, checkpointing=1)["loss"])
            optimizer.step()
            with torch.no_grad():
                seen += outputs("ltx2", model)
                with lora_off(model):
                    seen += outputs("ltx2", model)
                set_strength(model, 0.5)
                seen += outputs("ltx2", model)
                set_strength(model, 1.0)
        found[count] = [*seen, *(p.detach() for p in trainable(model).values())]
    assert len({float(loss) for loss in found[0][:21:7]}) == 3
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[3], strict=True))


def test_two_passes_before_one_backward_are_two_passes():
    found = {}
    for count in (0, 3):
        model = learning("ltxv")
        swap_blocks(model, count, "cpu")
        passes = [outputs("ltxv", model, streams("ltxv", seed))[0] for seed in (1, 2)]
        sum(velocity.square().mean() for velocity in passes).backward()
        found[count] = {name: p.grad for name, p in trainable(model).items()}
    assert same({"loss": torch.ones(()), **found[0]}, {"loss": torch.ones(()), **found[3]})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("family", FAMILIES)
def test_on_a_gpu_weights_wait_in_pinned_memory_and_the_step_is_the_same(family):
    model = learning(family).to("cuda")
    given = {name: None if s is None else on_gpu(s) for name, s in streams(family).items()}
    plain = step(family, model, given, checkpointing=1)
    swap = swap_blocks(model, BLOCKS, "cuda")
    assert all(slot.get().is_pinned() for own in swap.slots.values() for slot in own)
    assert {p.device.type for name, p in model.named_parameters() if ".lora_" in name} == {"cuda"}
    for _ in range(3):  # also into memory that earlier passes have used
        assert same(plain, step(family, model, given))


def on_gpu(stream):
    found = {name: getattr(stream, name) for name in stream.__dataclass_fields__}
    return replace(stream, **{n: v.to("cuda") for n, v in found.items() if isinstance(v, torch.Tensor)})


@pytest.mark.parametrize("when", ["forward", "backward"])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_error_within_a_block_leaves_nothing_behind(device, family, when):
    model = learning(family)
    plain = step(family, model)
    swap_blocks(model, 3, "cpu")
    before, calls = state(model), []

    def fails(*_):
        calls.append(1)
        if len(calls) == (1 if when == "forward" else 2):
            raise ArithmeticError("a fault")

    hook = model.transformer_blocks[2].attn2.to_out[0].register_forward_hook(fails)
    with pytest.raises(ArithmeticError, match="a fault"):
        step(family, model)
    hook.remove()
    assert state(model) == before
    assert same(plain, step(family, model))
    device.measure()


def test_blocks_below_the_first_that_learns_are_not_fetched_again(device):
    late = LoraOptions(rank=2, target_modules=("transformer_blocks.3.attn1.to_q",))
    model = learning("ltxv", late)
    plain, names = step("ltxv", model), len(block_slots(model))
    swap_blocks(model, BLOCKS, "cpu")
    assert same(plain, step("ltxv", model))
    assert device.copied == names * (BLOCKS + 2)  # forward, then blocks 4 and 3 again
    device.measure()


def block_slots(model):
    """Frozen weights of a block without adapters."""
    return [name for name, _ in model.transformer_blocks[0].named_parameters() if ".lora_" not in name]


def test_what_learns_stays_and_what_is_frozen_waits(device):
    model = learning("ltx2", EVERYWHERE)
    swap = swap_blocks(model, 2, "cpu")
    held = [f"{slot.module.__class__.__name__}.{slot.name}" for own in swap.slots.values() for slot in own]
    for index, own in swap.slots.items():
        names = dict(model.transformer_blocks[index].named_parameters())
        waiting = {id(slot.get()) for slot in own}
        assert {n for n, p in names.items() if id(p) not in waiting} == {n for n in names if ".lora_" in n}
    assert tuple(swap.slots) == swapped_blocks(BLOCKS, 2) == (1, 3) and held


@pytest.mark.parametrize(
    ("count", "message"),
    [(6, "6 blocks cannot be swapped, the transformer has 5; use 0 to 5"), (-1, "-1 blocks cannot")],
)
def test_a_count_without_a_meaning_is_refused(count, message):
    with pytest.raises(ModelError, match=message):
        swap_blocks(learning("ltxv"), count, "cpu")


def test_weights_that_learn_and_weights_of_another_kind_are_refused():
    model = learning("ltxv")
    train_all(model, BOTH)
    with pytest.raises(ModelError, match=r"transformer_blocks\.\d.* learns, .*blocks_to_swap: 0"):
        swap_blocks(model, 1, "cpu")

    class Packed(torch.nn.Parameter):
        pass

    model = learning("ltxv")
    table = model.transformer_blocks[2].scale_shift_table
    model.transformer_blocks[2].scale_shift_table = Packed(table.data, requires_grad=False)
    with pytest.raises(ModelError, match="scale_shift_table is a Packed, which block swap cannot move"):
        swap_blocks(model, 1, "cpu")
    assert swap_of(model) is None


def test_the_plan_spreads_blocks_and_counts_their_bytes():
    assert swapped_blocks(48, 0) == () and swapped_blocks(4, 4) == (0, 1, 2, 3)
    assert swapped_blocks(48, 4) == (6, 18, 30, 42)
    for count in range(49):
        chosen = swapped_blocks(48, count)
        gaps = {b - a for a, b in pairwise(chosen)}
        assert len(set(chosen)) == count and (not gaps or max(gaps) - min(gaps) <= 1)
    assert [resident_bytes([10] * 4, count) for count in range(5)] == [40, 40, 40, 30, 20]
    assert resident_bytes([1, 2, 30, 4], 3) == 2 + 34
