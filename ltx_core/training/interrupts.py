"""Signals and locks of a training process: stop after saving, and never two trainings in one folder."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from ltx_core.errors import LtxError
from ltx_core.store.disk import explain

logger = logging.getLogger(__name__)

EXIT_INTERRUPTED = 75
"""Exit code of a training that was asked to stop and can go on (EX_TEMPFAIL of sysexits.h)."""
EXIT_UNSAVED = 74
"""Exit code of a training that was asked to stop and could not save: it goes on from an older checkpoint
(EX_IOERR of sysexits.h)."""
REPEATED_S = 2.0
"""A signal that comes so soon after the first is the same request: whoever ends a group of processes, and the
process that started this one, both pass it on."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(SystemExit):
    """The training was asked to stop; what it had done is saved. Ends the process with code 75."""

    def __init__(self, step: int) -> None:
        super().__init__(EXIT_INTERRUPTED)
        self.step = step


class Unsaved(SystemExit):
    """The training was asked to stop and its state could not be saved. Ends the process with code 74."""

    def __init__(self, step: int, newest: int, reason: str) -> None:
        super().__init__(EXIT_UNSAVED)
        self.step = step
        since = f"the checkpoint of step {newest}" if newest else "step 0, since nothing was saved before"
        self.text = (
            f"the training was stopped at step {step}, which could not be saved: {reason} "
            f"The same command goes on from {since}."
        )

    def __str__(self) -> str:
        return self.text


class Interrupts:
    """While entered, the first SIGTERM or SIGINT sets `requested`; one that comes
    more than `REPEATED_S` later ends the process at once."""

    def __init__(self) -> None:
        self.requested = False
        self.asked = 0.0
        """When the signal came, by `time.monotonic`."""
        self._step: int | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            if time.monotonic() - self.asked >= REPEATED_S:
                os._exit(128 + number)
            return
        self.requested, self.asked = True, time.monotonic()
        logger.warning("asked to stop: saving; ask again to end at once without saving")
        if self._step is not None:
            raise Interrupted(self._step)

    @contextlib.contextmanager
    def at_once(self, step: int) -> Iterator[None]:
        """Inside, a signal raises Interrupted where it arrives: for long work whose loss costs nothing."""
        if self.requested:
            raise Interrupted(step)
        self._step = step
        try:
            yield
        finally:
            self._step = None


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold `folder` for this training; the kernel frees it when the process ends, however it ends.

    Raises:
        LtxError: when another process holds it.
        StoreError: when the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".lock").open("a+b")
    except OSError as error:
        raise explain(error, folder) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LtxError(
                f"another process is training in {folder}; wait for it, or give this run another `name`"
            ) from None
        yield
