"""Work beside the steps, shared among the processes of a training: each does its part, all get the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from accelerate import Accelerator
from accelerate.utils import gather_object

from ltx_core.training.device import SHARDS

ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")


def spread(
    accelerator: Accelerator | None, items: Sequence[ItemT], work: Callable[[ItemT], FoundT]
) -> list[FoundT]:
    """The results of all items, in order, in every process.

    Item i is worked on by process i modulo their number, whatever the others do: what comes out of an item
    does not depend on how many processes there are. A model whose weights are spread over the processes runs
    in all at once: there all work equally often, and what fills up is thrown away.

    Args:
        accelerator: of the training; None: this process is alone.
        items: equal in every process.
        work: what is done with each; its result can be pickled.
    """
    world = 1 if accelerator is None else accelerator.num_processes
    if accelerator is None or world == 1:
        return [work(item) for item in items]
    own: list[tuple[int, FoundT]] = []
    for start in range(0, len(items), world):
        place = start + accelerator.process_index
        if place < len(items):
            own.append((place, work(items[place])))
        elif sharded(accelerator):
            work(items[-1])
    gathered: list[tuple[int, FoundT]] = gather_object(own)
    return [found for _, found in sorted(gathered, key=lambda pair: pair[0])]


def sharded(accelerator: Accelerator) -> bool:
    """Whether each process holds a part of the weights, so that all must be in the same forward pass."""
    return bool(getattr(accelerator, SHARDS, False))
