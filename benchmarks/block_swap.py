"""What recomputed activations and swapped blocks save and cost: memory and time of a training step.

The peak is of the weights and moments that stay on the device and of all that a step allocates, working
copies of swapped blocks among it, by the records of torch's allocator. Without a GPU the host is the device
too: the weights that wait are not counted, and the process's own peak, which has both, would say nothing.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.measure import Result, in_turns, per_second
from benchmarks.one_modality import LTX23, SMALL, Training, amount
from ltx_core.models.info import ModelInfo
from ltx_core.models.names import BOTH
from ltx_core.models.swap import swap_blocks, swap_of
from ltx_core.models.swap_plan import resident_bytes

BLOCKS = 12
VIDEO = (5, 6, 8)
"""Latent frames, rows and columns: few, so that weights weigh as in a real model of few tokens."""
WAYS = (
    ("every second block recomputed", 2, 0),
    ("every block recomputed", 1, 0),
    ("every block recomputed, half of them swapped", 1, BLOCKS // 2),
    ("every block recomputed and swapped", 1, BLOCKS),
)
PLAIN = "all activations kept, no block swapped"


def block_swap(folder: Path, rounds: int) -> list[Result]:
    """Lines for each way: seconds of a step, its peak on the device; and bytes of LTX-2.3's weights."""
    from diffusers import LTX2VideoTransformer3DModel

    torch.manual_seed(0)
    place = folder / "deep" / "transformer"
    LTX2VideoTransformer3DModel(**{**SMALL, "num_layers": BLOCKS}).to(torch.bfloat16).save_pretrained(place)
    info, found = ModelInfo.read(folder / "deep"), []
    plain = _training(info, 0, 0)
    gradients, peak = _gradients(plain), _peak(plain)
    for name, every, swapped in WAYS:
        own = _training(info, every, swapped)
        equal = all(torch.equal(a, b) for a, b in zip(gradients, _gradients(own), strict=True))
        pair, least = in_turns(own.step, plain.step, rounds), _peak(own)
        speeds = per_second(1, pair.ours, "steps"), per_second(1, pair.bare, "steps")
        aim = "gradients equal to the bit"
        found.append(Result(f"training step, {name}", PLAIN, pair.ratio, *speeds, aim, equal))
        sizes = amount(least), amount(peak)
        found.append(Result(f"memory of the device, {name}", PLAIN, least / peak, *sizes))
    return [*found, *_real_sizes()]


def _training(info: ModelInfo, every: int, swapped: int) -> Training:
    torch.manual_seed(0)
    own = Training(info, BOTH, VIDEO)
    own.velocity = replace(own.velocity, checkpointing=every)
    swap_blocks(own.velocity.model, swapped, own.device)
    return own


def _gradients(training: Training) -> list[Tensor]:
    training.backward()
    found = [p.grad.clone() for p in training.velocity.model.parameters() if p.grad is not None]
    training.optimizer.zero_grad(set_to_none=True)
    return found


def _peak(training: Training) -> int:
    """Bytes on the device at the worst moment of a step."""
    training.step()  # so that the optimizer has its moments
    if training.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        training.step()
        return _staying(training) + torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as records:
        training.step()
    events = [e for e in records.profiler.kineto_results.events() if e.name() == "[memory]"]  # type: ignore[union-attr]
    sizes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return _staying(training) + max(accumulate(sizes))


def _staying(training: Training) -> int:
    """Bytes of weights that stay on the device, and of the optimizer's moments."""
    model = training.velocity.model
    swap = swap_of(model)
    waiting = 0 if swap is None else sum(s.get().nbytes for own in swap.slots.values() for s in own)
    moments = sum(
        value.nbytes
        for state in training.optimizer.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    )
    return sum(p.nbytes for p in model.parameters()) - waiting + moments


def _real_sizes() -> list[Result]:
    """Bytes of LTX-2.3's weights on the device in bfloat16, from the shapes of its layers."""
    from accelerate import init_empty_weights
    from diffusers import LTX2VideoTransformer3DModel

    with init_empty_weights():
        model = LTX2VideoTransformer3DModel(**LTX23)
    blocks = [2 * sum(p.numel() for p in block.parameters()) for block in model.transformer_blocks]
    whole = 2 * sum(p.numel() for p in model.parameters())
    found = []
    for count in (12, 24, 36, len(blocks)):
        size = whole - sum(blocks) + resident_bytes(blocks, count)
        name = f"LTX-2.3's weights in bfloat16, {count} of {len(blocks)} blocks swapped"
        found.append(Result(name, "no block swapped", size / whole, amount(size), amount(whole)))
    return found
