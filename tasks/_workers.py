"""The worker processes of a run: started when needed, several at a time, replaced when one dies.

Design choices
- A worker that dies takes the uncommitted rows of its chunk with it. The chunk is asked for once more; when
  that kills a worker too, it is halved, until the rows stand alone whose computation kills its process (a
  decoder that breaks on a film, a clip that needs too much memory). They are set aside with that reason.
- After the first death no other stage goes along: a row is never set aside for what another stage did.
- Where no row of the stage can be computed, the cause lies elsewhere (a driver, the machine's memory): then
  nothing is set aside, and the run ends with the message of the last death.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ltx_core.errors import LtxError
from tasks._process import STOPPED, Child, DeadChildError

Manifest = dict[str, Any]
Report = Callable[[Mapping[str, Any]], None]
Ask = Callable[[Sequence[str]], Manifest]
"""Has some rows computed and gives their manifest."""
KILLS = "the process that computes it ended twice without an answer (damaged file, or too little memory)"


class Workers:
    """At most `count` children, each of which answers one request at a time."""

    def __init__(self, count: int, start: Callable[[], Child]) -> None:
        self._start = start
        self._free = threading.BoundedSemaphore(count)
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._all: list[Child] = []
        self._closed = False

    def warm(self) -> None:
        """Start a first worker when there is none: it loads its libraries while this process goes on."""
        with self._lock:
            self._refuse_when_closed()
            if not any(child.alive for child in self._all):
                self._idle.append(self._new())

    def ask(self, request: Mapping[str, Any], report: Report) -> Manifest:
        """A worker's answer, as `Child.ask` gives it, when one is free."""
        with self._free:
            child = self._take()
            try:
                return child.ask(request, report)
            finally:
                with self._lock:
                    if child.alive and child in self._all:
                        self._idle.append(child)

    def release(self) -> None:
        """End the workers; further requests start new ones."""
        with self._lock:
            children, self._all, self._idle = self._all, [], []
        for child in children:
            child.close()

    def close(self) -> None:
        """End the workers for good."""
        with self._lock:
            self._closed = True
        self.release()

    def _take(self) -> Child:
        with self._lock:
            self._refuse_when_closed()
            while self._idle:
                if (child := self._idle.pop()).alive:
                    return child
            return self._new()

    def _new(self) -> Child:
        child = self._start()
        self._all = [*(one for one in self._all if one.alive), child]
        return child

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise LtxError(STOPPED)


def survive(chunk: Sequence[str], ask: Ask, again: Ask, set_aside: Ask, *, works: bool = False) -> Manifest:
    """The manifest of a chunk, whatever of it kills its process.

    Args:
        chunk: row keys.
        ask: computes rows.
        again: the same after a death, without what else it may have done.
        set_aside: commits rows as rejected.
        works: whether rows of the stage have been computed before; else those of the chunk must show it.

    Raises:
        DeadChildError: when no row of the stage can be computed.
        LtxError: as `ask`.
    """
    try:
        return ask(chunk)
    except DeadChildError:
        found, deadly, last = _halves(chunk, again)
    if not found and not works:
        assert last is not None
        raise last
    if deadly:
        found.append(set_aside(deadly))
    return merged(found)


def merged(manifests: Sequence[Manifest]) -> Manifest:
    """One manifest of the parts of a chunk."""
    whole = dict(manifests[0])
    for name in ("rows", "ok", "seconds"):
        whole[name] = sum(found[name] for found in manifests)
    whole["rejected"] = [entry for found in manifests for entry in found["rejected"]]
    return whole


def _halves(chunk: Sequence[str], ask: Ask) -> tuple[list[Manifest], list[str], DeadChildError | None]:
    """Manifests of what could be computed, the keys that kill, and the last death."""
    try:
        return [ask(chunk)], [], None
    except DeadChildError as error:
        if len(chunk) == 1:
            return [], list(chunk), error
        last = error
    found: list[Manifest] = []
    deadly: list[str] = []
    middle = len(chunk) // 2
    for half in (chunk[:middle], chunk[middle:]):
        try:
            found.append(ask(half))
        except DeadChildError:
            more, keys, death = _halves(half, ask)
            found, deadly, last = found + more, deadly + keys, death or last
    return found, deadly, last
