"""Which samples of a step made its loss not finite."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ltx_core.training.order import Order
from ltx_core.training.update import Rows


def culprits(rows: Rows, order: Order, step: int, passes: int, world: int) -> tuple[str, ...]:
    """Ids of the samples whose loss is not finite; all of the step where each loss is (its gradient is not).

    Args:
        rows: the losses of the step over all processes, as `update.read` gives them.
        order: of the samples.
        step: the optimizer step, from 0.
        passes: forward passes of one process.
        world: processes.
    """
    each = [_ids(order, step, passes, rank, world) for rank in range(world)]
    found = {
        ids[place]
        for table in rows.values()
        for rank, part in enumerate(_parts(table, world))
        for ids in (each[rank],)
        for place, row in enumerate(part[: len(ids)])
        if row[2] and not math.isfinite(row[0])
    }
    whole = dict.fromkeys(order.batch_at(step))
    return tuple(name for name in whole if name in found) or tuple(whole)


def _ids(order: Order, step: int, passes: int, rank: int, world: int) -> list[str]:
    """Of one process, in the order of its losses."""
    return [name for portion in order.portions(step, passes, rank, world) for name in portion.ids]


def _parts(table: Sequence[list[float]], world: int) -> list[Sequence[list[float]]]:
    """The rows of each process: as many for all, filled up with rows of zeros."""
    most = len(table) // world
    return [table[rank * most : (rank + 1) * most] for rank in range(world)]
