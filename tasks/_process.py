"""Child processes that compute: JSON lines in, JSON lines out.

The process of a flow never loads torch: `python -m ltx_core worker` does the stages' work and
`python -m ltx_core train` a training, so that models, memory and signals are theirs alone. A child ends
with its parent (`_guard.py`), is asked to end with SIGTERM and is forced with SIGKILL after a grace time.

    to the child    {"config": .., "overrides": [..], "base_dir": .., "stage": .., "chunk": [..]}
    from the child  {"progress": {..}} any number of times, then
                    {"manifest": {..}} or {"error": "..", "user": bool, "interrupted": bool}
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from ltx_core.errors import LtxError

GUARD = Path(__file__).with_name("_guard.py")
INTERRUPTED = 75
"""The exit code of a training that was asked to end and has saved its state (EX_TEMPFAIL of sysexits.h)."""
IDLE_GRACE_S = 3.0
"""How long a child without work may take to end by itself when its input ends."""
STOPPED = "The run was stopped; the same command goes on from here."
SAVED = "The training was stopped and has saved its state: the same command goes on from there."
SETTLE_S = 0.3
"""The log comes by another pipe than the error: what its last lines are given to arrive."""
TAIL_LINES = 25
"""How much of a failed child's log its error repeats."""
LEVELS = {
    "DEBUG": logging.DEBUG,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.ERROR,
}

Message = dict[str, Any]
Note = Callable[[int, str], None]
"""Takes a line of a child's log: its level and its text."""

_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
"""One thread that starts every child and stays: a guarded child ends with the thread that started it."""


class ChildError(LtxError):
    """A child broke down through no mistake of the user; carries the end of its log."""

    def __init__(self, message: str, tail: str = "") -> None:
        super().__init__(f"{message}\n{tail}".rstrip())


class DeadChildError(ChildError):
    """A child ended before it answered: it was killed, or what it computed broke its process."""


class InterruptedTrainingError(LtxError):
    """A training was asked to end and has saved its state."""


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    """Start `command` in a session of its own, tied to this process; `options` are those of Popen."""
    guarded = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), *command]

    def spawn() -> subprocess.Popen[str]:
        return subprocess.Popen(guarded, start_new_session=True, text=True, encoding="utf-8", **options)

    return _SPAWNER.submit(spawn).result()


def end(process: subprocess.Popen[str], grace: float) -> None:
    """Ask a process group to end, wait `grace` seconds, force it; an interrupt meanwhile forces it."""
    try:
        if process.poll() is None:
            _signal_group(process, signal.SIGTERM)
        process.wait(grace)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: subprocess.Popen[str], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class Child:
    """One child that answers requests, one at a time; close it, or use it as a context."""

    def __init__(
        self, command: Sequence[str], note: Note, grace: float = 10, threads: int | None = None
    ) -> None:
        self.note = note
        self.grace = grace
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._turn = threading.Lock()
        options: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        if threads is not None:
            options["env"] = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self.process = start(command, **options)
        self._readers = [
            threading.Thread(target=target, args=(stream,), daemon=True)
            for target, stream in ((self._read, self.process.stdout), (self._log, self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child, with what it has started; one that has nothing to do ends with its input."""
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()
        if self._turn.acquire(blocking=False):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(IDLE_GRACE_S)
            self._turn.release()
        end(self.process, self.grace)
        for reader in self._readers:
            reader.join(2)

    @property
    def alive(self) -> bool:
        """Whether the child can still answer."""
        return self.process.poll() is None

    def ask(self, request: Mapping[str, Any], report: Callable[[Message], None]) -> Message:
        """Send a request and wait for its manifest; `report` is called with each progress message.

        Raises:
            LtxError: for a user's mistake.
            InterruptedTrainingError: when a training was stopped and has saved.
            DeadChildError: when the process ended before it answered.
            ChildError: for all else.
        """
        with self._turn:
            try:
                assert self.process.stdin is not None
                self.process.stdin.write(json.dumps(dict(request)) + "\n")
                self.process.stdin.flush()
            except ValueError:  # closed meanwhile: another task of this run has failed
                raise LtxError(STOPPED) from None
            except OSError:
                raise self._ended() from None
            while (message := self._messages.get()) is not None:
                if "progress" in message:
                    report(message["progress"])
                elif "manifest" in message:
                    manifest: Message = message["manifest"]
                    return manifest
                elif "error" in message:
                    raise self._error(message)
            raise self._ended()

    def _error(self, message: Message) -> LtxError:
        if message.get("interrupted"):
            return InterruptedTrainingError(SAVED)
        if message.get("user"):
            return LtxError(str(message["error"]))
        time.sleep(SETTLE_S)
        return ChildError(str(message["error"]), "\n".join(self._tail))

    def _ended(self) -> LtxError:
        """What to say of a child that ended before it answered."""
        for reader in self._readers:
            reader.join(2)
        code = self.process.wait()
        if code == INTERRUPTED:
            return InterruptedTrainingError(SAVED)
        if code == -signal.SIGKILL:
            return DeadChildError(
                "The process that computes was killed. Often the machine had too little memory: "
                "lower the resolution, the frames or the batch size; the same command goes on from there."
            )
        return DeadChildError(
            f"The process that computes ended with exit code {code}.", "\n".join(self._tail)
        )

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if isinstance(message, dict):
                self._messages.put(message)
            elif line.strip():  # a library that prints
                self.note(logging.INFO, line.rstrip())
        self._messages.put(None)

    def _log(self, stream: IO[str]) -> None:
        for line in stream:
            text = line.rstrip()
            if text:
                self._tail.append(text)
                self.note(LEVELS.get(text.split(maxsplit=1)[0].rstrip(":"), logging.INFO), text)
