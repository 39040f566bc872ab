"""Which samples of a step made its loss not finite."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ltx_core.training.order import Portion
from ltx_core.training.update import Rows


def culprits(rows: Rows, portions: Sequence[Sequence[Portion]], batch: Sequence[str]) -> tuple[str, ...]:
    """Ids of the samples whose loss is not finite; all of the step where each loss is (its gradient is not).

    Args:
        rows: the losses of the step over all processes, as `update.read` gives them.
        portions: the forward passes of each process.
        batch: ids of the step.
    """
    world = len(portions)
    each = [[name for portion in own for name in portion.ids] for own in portions]
    found = {
        ids[place]
        for table in rows.values()
        for rank, part in enumerate(_parts(table, world))
        for ids in (each[rank],)
        for place, row in enumerate(part[: len(ids)])
        if row[2] and not math.isfinite(row[0])
    }
    whole = dict.fromkeys(batch)
    return tuple(name for name in whole if name in found) or tuple(whole)


def _parts(table: Sequence[list[float]], world: int) -> list[Sequence[list[float]]]:
    """The rows of each process: as many for all, filled up with rows of zeros."""
    most = len(table) // world
    return [table[rank * most : (rank + 1) * most] for rank in range(world)]
