"""The fewest candidates that together score enough: one more at a time, each exchanged for better ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


def fewest(
    score: Callable[[Sequence[int]], NDArray[np.float64]],
    enough: float,
    limit: int,
    gain: float,
    reached: Callable[[Sequence[int]], float] | None = None,
) -> list[int]:
    """The fewest candidates with a score of `enough`, or all that gain something.

    Args:
        score: of some candidates and each one more.
        enough: score at which no more are added.
        limit: candidates at the most.
        gain: of score below which none is added.
        reached: score that is compared with `enough`, where it is another.
    """
    chosen: list[int] = []
    value = 0.0
    while len(chosen) < limit:
        scores = score(chosen)
        if not len(scores) or scores.max() - value < (gain if chosen else 1e-9):
            break
        following = _exchanged([*chosen, int(scores.argmax())], float(scores.max()), score)
        chosen, value = following
        if (value if reached is None else reached(chosen)) >= enough:
            break
    return chosen


def _exchanged(
    chosen: list[int], value: float, score: Callable[[Sequence[int]], NDArray[np.float64]]
) -> tuple[list[int], float]:
    """Candidates of which none can be exchanged for a better one, and their score."""
    place, unchanged = 0, 0
    while unchanged < len(chosen):
        others = chosen[:place] + chosen[place + 1 :]
        scores = score(others)
        if scores.max() > value + 1e-9:
            chosen = [*others[:place], int(scores.argmax()), *others[place:]]
            value, unchanged = float(scores.max()), 0
        else:
            unchanged += 1
        place = (place + 1) % len(chosen)
    return chosen, value
