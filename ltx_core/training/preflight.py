"""The largest batch, tried before the first step: what does not fit is found at once, not after an hour.

It also makes the allocator cut its memory for the largest shape first, so that smaller ones fit into the same
pieces: buckets in the order of an epoch would leave pieces too small for the next one. Gradients are thrown
away and nothing is drawn that a step draws, so that the result does not depend on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import cycle, islice

import torch

from ltx_core.models.memory.optimizers import moment_bytes
from ltx_core.training.draws import Draws
from ltx_core.training.order import Order
from ltx_core.training.plan import Parts, Plan
from ltx_core.training.step import Prepared, prepare


def wanted(stated: bool | None, device: torch.device) -> bool:
    """Whether it is tried: as stated, else on CUDA."""
    return device.type == "cuda" if stated is None else stated


def largest_batch(plan: Plan, parts: Parts, order: Order, step: int) -> Prepared:
    """A full batch of the bucket whose forward pass has most tokens, on the host.

    Args:
        plan: with the tokens of every bucket; without them the batch with most samples is meant.
        parts: what reads and assembles.
        order: of the run.
        step: whose draws it has.
    """
    sizes = {name: plan.optimization.batch_of(plan.tokens.get(name, 1)) for name in order.groups}
    bucket = max(sizes, key=lambda name: (plan.tokens.get(name, 1) * sizes[name], name))
    ids = tuple(islice(cycle(order.groups[bucket]), sizes[bucket]))
    return prepare(parts.read(ids), ids, Draws(plan.seed, step), parts.assemble, plan.step)


@contextmanager
def reserved(shapes: Collection[tuple[int, ...]], kind: str, device: torch.device) -> Iterator[None]:
    """Inside the block as much of a GPU is taken as moments will be that are not there yet.

    Args:
        shapes: in this process, of the parameters without moments.
        kind: `optimization.optimizer_type`.
        device: of the training.
    """
    size = moment_bytes(kind, shapes)
    held = torch.empty(size, dtype=torch.uint8, device=device) if device.type == "cuda" else None
    try:
        yield
    finally:
        del held
