"""What evaluations cost: their share of a training's time, and a word when it is too much."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

LARGEST_SHARE = 0.05
"""Share of the time above which a run says what would lower it."""


class Cost:
    """The seconds of evaluations beside those of all else since the first of this process.

    The first evaluation does not count: it loads what later ones have in memory, and nothing was trained yet.
    """

    def __init__(self, every: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the steps between evaluations; None: there are none between the first and the last."""
        self.every, self._clock = every, clock
        self._began: float | None = None
        self._spent = 0.0
        self._last = 0.0
        self._told = False

    @contextmanager
    def counting(self, step: int) -> Iterator[None]:
        """Inside, an evaluation after `step` finished steps is done."""
        began = self._clock()
        yield
        now = self._clock()
        self._last = now - began
        if self._began is None:
            self._began = now
            return
        self._spent += self._last
        if self.every is not None and self.share > LARGEST_SHARE and not self._told:
            self._told = True
            logger.warning("step %d: %s", step, self.advice())

    @property
    def share(self) -> float:
        """Of the time since the first evaluation; 0 before a second one."""
        if self._began is None or not self._spent:
            return 0.0
        return self._spent / max(self._clock() - self._began, 1e-9)

    def advice(self) -> str:
        """What would bring the share to `LARGEST_SHARE`: another interval, or fewer clips."""
        share = min(self.share, 0.999)
        factor = share / (1 - share) * (1 - LARGEST_SHARE) / LARGEST_SHARE
        every = math.ceil((self.every or 1) * factor)
        return (
            f"held-out loss takes {share:.0%} of the time, {self._last:.1f} s each time; more than "
            f"{LARGEST_SHARE:.0%} is a lot: set `validation.heldout_interval: {every}`, or divide "
            f"`validation.heldout_clips` and `heldout_levels` by {factor:.1f}"
        )

    def facts(self) -> dict[str, float]:
        """Seconds of the last evaluation, and the share of the time once it is known."""
        found = {"heldout_seconds": self._last}
        return {**found, "heldout_share": self.share} if self._spent else found
