"""Values remembered together with the stages whose rows they were made of.

After a commit only what depends on that stage is made again: a plan over many thousand rows asks the store
once, and so does each of the chunks that follow.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Memo:
    """Results by key; what one result took from another counts for both."""

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[Any, frozenset[str]]] = {}
        self._open = threading.local()  # samples are read ahead in a thread

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """`make()`, called once until a stage that it depends on is forgotten."""
        if key not in self._values:
            self._values[key] = self._made(make)
        value, stages = self._values[key]
        self._note(stages)
        result: T = value
        return result

    def depend(self, stage: str) -> None:
        """Say that what is being made depends on the rows of `stage`."""
        self._note((stage,))

    def forget(self, stages: Collection[str]) -> None:
        """Drop everything that depends on one of `stages`."""
        gone = frozenset(stages)
        if gone:
            self._values = {key: entry for key, entry in self._values.items() if not entry[1] & gone}

    def _made(self, make: Callable[[], T]) -> tuple[T, frozenset[str]]:
        used: set[str] = set()
        stack = self._stack()
        stack.append(used)
        try:
            value = make()
        finally:
            stack.pop()
        return value, frozenset(used)

    def _note(self, stages: Collection[str]) -> None:
        for used in self._stack():
            used.update(stages)

    def _stack(self) -> list[set[str]]:
        if not hasattr(self._open, "stack"):
            self._open.stack = []
        stack: list[set[str]] = self._open.stack
        return stack
