"""Timing on a machine that others use too: two ways of doing the same, in turns, and the median of ratios."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Work = Callable[[], object]


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        name: what was measured.
        bare: what it is compared with.
        ratio: median of our time over its time, in turns; None without a comparison.
        speed: ours, and `bare_speed` its, as text with a unit.
        aim: the bound that `ratio` (or `seconds`) shall keep, as text.
        met: whether it does; None without an aim.
    """

    name: str
    bare: str = ""
    ratio: float | None = None
    speed: str = ""
    bare_speed: str = ""
    aim: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Pair:
    """Median seconds of both ways and the median of the ratios of neighbouring runs."""

    ours: float
    bare: float
    ratio: float


def seconds(work: Work) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turns(ours: Work, bare: Work, rounds: int, reset: Work = lambda: None) -> Pair:
    """Both once to warm up, then `rounds` times in turns; `reset` is called before each, unmeasured.

    Which of the two goes first changes from round to round.
    """
    times: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        found: dict[int, float] = {}
        for index in (0, 1) if number % 2 else (1, 0):
            reset()
            found[index] = seconds((ours, bare)[index])
        if number:
            times.append((found[0], found[1]))
    return Pair(median(a for a, _ in times), median(b for _, b in times), median(a / b for a, b in times))


def per_second(count: float, taken: float, unit: str) -> str:
    """`12.3 clips/s`."""
    value = count / taken
    return f"{value:,.0f} {unit}/s" if value >= 100 else f"{value:.3g} {unit}/s"


def line(name: str, bare: str, pair: Pair, count: float, unit: str) -> Result:
    """A comparison without an aim."""
    return Result(
        name, bare, pair.ratio, per_second(count, pair.ours, unit), per_second(count, pair.bare, unit)
    )
