"""Work beside the steps, shared among the processes of a training: each does its part, all get the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from ltx_core.training.device import SHARDS
from ltx_core.training.shortage import SharedShortageError, free, is_shortage

ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")
_BETWEEN: ContextVar[Callable[[], None] | None] = ContextVar("between", default=None)


@contextmanager
def between_rounds(look: Callable[[], None]) -> Iterator[None]:
    """Inside, `spread` calls `look` in every process before each round, as to agree on a stop."""
    token = _BETWEEN.set(look)
    try:
        yield
    finally:
        _BETWEEN.reset(token)


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

    Raises:
        SharedShortageError: in every process, when memory did not suffice in one that holds a whole model.
    """
    world = 1 if accelerator is None else accelerator.num_processes
    if accelerator is None or world == 1:
        return [work(item) for item in items]
    own: list[tuple[int, FoundT]] = []
    for start in range(0, len(items), world):
        if look := _BETWEEN.get():
            look()
        place = start + accelerator.process_index
        with agreeing(accelerator):
            if place < len(items):
                own.append((place, work(items[place])))
            elif sharded(accelerator):
                work(items[-1])
    gathered: list[tuple[int, FoundT]] = gather_object(own)
    return [found for _, found in sorted(gathered, key=lambda pair: pair[0])]


@contextmanager
def agreeing(accelerator: Accelerator) -> Iterator[None]:
    """Leave the block in all processes with a SharedShortageError where memory did not suffice in one.

    Nothing in the block may wait for another process. Where processes share the weights out all work does:
    there the one process's error stays its own, and ends the others.
    """
    short: BaseException | None = None
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if accelerator.num_processes == 1 or sharded(accelerator) or not is_shortage(error):
            raise
        short = error
    if accelerator.num_processes == 1 or sharded(accelerator):
        return
    failed = torch.tensor(float(short is not None), device=accelerator.device)
    if accelerator.reduce(failed, "sum").item():
        said = [] if short is None else [f"{short} (in process {accelerator.process_index})"]
        if short is not None:
            free(short)
        raise SharedShortageError(gather_object(said)[0]) from None


def sharded(accelerator: Accelerator) -> bool:
    """Whether each process holds a part of the weights, so that all must be in the same forward pass."""
    return bool(getattr(accelerator, SHARDS, False))
