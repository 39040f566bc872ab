"""What a tracker of records is, and the thread that feeds one so that no step waits for it.

Design choices
- Each tracker has a thread of its own: a library that imports for seconds, a server that hangs, an error,
  cost the training nothing. A tracker that fails is named once in the log and in log.jsonl, and dropped.
- The run's own rows are the truth. A tracker tells the newest step that it holds (`held`); rows beyond it are
  sent, also those of before a kill that it never got, rows within it are not sent again. So the curves of an
  interrupted run have each step once.
- What was measured after a step, or is again after a resume, is sent where the step is newer than the
  tracker's or than the newest that was sent before, losses and samples each for themselves: a run that was
  killed while it sampled had sent the losses. What was sent is read once, when the tracker opens: losses and
  samples of one step may come far apart.
- A step's row waits for the next one, so that what is measured after the step goes along with it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ltx_core.errors import LtxError
from ltx_core.store.disk import write_atomic

logger = logging.getLogger(__name__)

FOLDER = "trackers"
"""The folder of what trackers must know again, in a run's folder."""
MEASURED, SAMPLED = "measured", "sampled"
"""In that file: the newest step whose losses, and whose samples, were sent."""
MOST_WAITING = 20_000
"""Rows that wait for a tracker; one that is so far behind is dropped."""
IDLE_S = 20.0
"""Seconds after which a row does not wait for more of its step."""
PATIENCE_S, HURRY_S = 60.0, 5.0
"""Seconds that a tracker may take to end: of a finished run, and of one that was asked to stop."""


class Tracker(Protocol):
    """Takes the records of one run; all calls come from one thread."""

    held: int
    """The newest step whose row it has when it opens."""

    def log(self, step: int, values: Mapping[str, float], files: Mapping[str, Path]) -> None:
        """Record numbers by tag (`loss/video`) and media files by name, after `step` finished steps."""

    def close(self, finished: bool) -> None:
        """Write what is left; `finished` is False for a run that stopped on its way."""


@dataclass(frozen=True)
class Opening:
    """A tracker that is to be opened: its name, and how, after so many finished steps."""

    name: str
    open: Callable[[int], Tracker]


def tag(name: str) -> str:
    """A number's name in a tracker: losses, what was measured, speeds, and the rest, a group each."""
    if name.startswith("heldout_"):
        return f"measured/{name}"
    if name.startswith("loss_"):
        return f"loss/{name.removeprefix('loss_')}"
    group = "speed" if name.endswith(("_seconds", "_per_second")) or name in SPEED else "train"
    return f"{group}/{name}"


SPEED = frozenset({"seconds", "data_wait", "mfu", "peak_bytes"})


def numbers_of(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row by tag; its step is no number of it."""
    return {
        tag(name): float(value)
        for name, value in row.items()
        if name != "step" and isinstance(value, int | float) and not isinstance(value, bool)
    }


class Memory:
    """What a tracker must know again when the run goes on, as JSON in the run's folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / FOLDER / f"{name}.json"

    def read(self) -> dict[str, Any]:
        """What was kept; nothing where there is nothing to read."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def keep(self, **facts: Any) -> None:
        """Add facts to what is kept."""
        write_atomic(self.path, json.dumps({**self.read(), **facts}).encode())


@dataclass
class _Entry:
    step: int
    row: bool
    """Whether the step's own row is part of it."""
    measured: bool = False
    """Whether what was measured after the step is."""
    values: dict[str, float] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)


class Feed:
    """Feeds one tracker from a thread; no call of it waits or raises, but `close`, which waits."""

    def __init__(
        self,
        opening: Opening,
        folder: Path,
        step: int,
        rows: Sequence[Mapping[str, Any]],
        event: Callable[..., None],
    ) -> None:
        """Open a tracker after `step` finished steps, whose `rows` it gets where it has not got them."""
        self.name = opening.name
        self.failed = ""
        self._memory, self._event = Memory(folder, opening.name), event
        self._queue: queue.Queue[_Entry | None] = queue.Queue(MOST_WAITING)
        self._finished = False
        self._waiting: _Entry | None = None
        self._tracker: Tracker | None = None
        self._held = self._known = self._shown = -1
        self._sent: dict[str, int] = {}
        before = [_Entry(int(row["step"]), True, values=numbers_of(row)) for row in rows]
        self._thread = threading.Thread(
            target=self._run, args=(opening, step, before), name=f"tracker {self.name}", daemon=True
        )
        self._thread.start()

    def step(self, row: Mapping[str, Any]) -> None:
        """A row of metrics."""
        self._put(_Entry(int(row["step"]), True, values=numbers_of(row)))

    def measured(self, step: int, values: Mapping[str, float], files: Mapping[str, Path]) -> None:
        """What was measured and sampled after `step`."""
        named = {f"measured/{name}": float(value) for name, value in values.items()}
        self._put(_Entry(step, False, bool(named), named, dict(files)))

    def close(self, *, finished: bool = True) -> None:
        """End the tracker, within `PATIENCE_S` seconds, or `HURRY_S` of a run that is asked to stop."""
        self._finished = finished
        began = time.monotonic()
        patience = PATIENCE_S if finished else HURRY_S
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=patience)
        self._thread.join(max(0.0, patience - (time.monotonic() - began)))
        if self._thread.is_alive():
            self._drop(f"did not end within {patience:g} s; what it was not sent is in the run's folder")

    def _put(self, entry: _Entry) -> None:
        if self.failed:
            return
        try:
            self._queue.put_nowait(entry)
        except queue.Full:
            self._drop(f"is {MOST_WAITING} records behind")

    def _drop(self, reason: str) -> None:
        if not self.failed:
            self.failed = reason
            logger.warning("%s %s; the training goes on without it", self.name, reason)
            self._event("tracker", tracker=self.name, problem=reason)

    def _run(self, opening: Opening, step: int, before: Sequence[_Entry]) -> None:
        try:
            kept = self._memory.read()
            sent = int(kept.get(MEASURED, -1))
            shown = int(kept.get(SAMPLED, sent))  # earlier versions kept one number for both
            self._tracker = opening.open(step)
            self._held = self._tracker.held
            self._known, self._shown = min(sent, self._held), min(shown, self._held)
            self._sent = {MEASURED: sent, SAMPLED: shown}
            for entry in before:
                self._take(entry)
            self._serve()
            self._send()
            self._tracker.close(self._finished)
        except LtxError as error:
            self._drop(f"cannot be used: {error}")
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a library of others must cost no training
            self._drop(f"failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}")

    def _serve(self) -> None:
        while not self.failed:
            try:
                entry = self._queue.get(timeout=IDLE_S)
            except queue.Empty:
                self._send()
                continue
            if entry is None:
                return
            self._take(entry)

    def _take(self, entry: _Entry) -> None:
        """Keep an entry until more of its step has come; what the tracker has already is left out."""
        newest = self._held if entry.row else self._shown if entry.files else self._known
        if entry.step <= newest:
            return
        if self._waiting is not None and self._waiting.step == entry.step:
            self._waiting.values |= entry.values
            self._waiting.files |= entry.files
            self._waiting.row |= entry.row
            self._waiting.measured |= entry.measured
            return
        self._send()
        self._waiting = entry

    def _send(self) -> None:
        entry, self._waiting = self._waiting, None
        if entry is not None and self._tracker is not None:
            self._tracker.log(entry.step, entry.values, entry.files)
            new = [name for name, is_so in ((MEASURED, entry.measured), (SAMPLED, entry.files)) if is_so]
            if new:
                self._sent |= dict.fromkeys(new, entry.step)
                self._memory.keep(**self._sent)
