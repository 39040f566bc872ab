"""How far a long scan is: told to whoever asked a few times a second, and to the log every few seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)
SHOW_SECONDS = 0.25
LOG_SECONDS = 5.0

Report = Callable[[int, int], None]
"""Is told how many of how many files are done."""


class Progress:
    """Counts what is done of `total`; `what` are the words of the log."""

    def __init__(self, what: str, total: int, report: Report) -> None:
        self.what = what
        self.total = total
        self.report = report
        self.done = 0
        self._shown = self._logged = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        now = time.monotonic()
        if now - self._shown >= SHOW_SECONDS or self.done == self.total:
            self._shown = now
            self.report(self.done, self.total)
        if now - self._logged >= LOG_SECONDS:
            self._logged = now
            logger.info("%s: %d of %d", self.what, self.done, self.total)
