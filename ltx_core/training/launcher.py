"""Several training processes on this machine, started and watched by one that does not train. No torch.

Design choices
- A start of our own instead of torchrun's: that one gives a training 30 s to save its state when it is asked
  to end, ends with code 1 whatever its processes ended with, and tells of the first failure by time, which
  often is not the cause: when a process dies the others lose their connection to it.
- Each process has a session of its own, so that a signal reaches it once: through this one. It ends with
  this one, also when this one is killed.
- The first process's progress is handed on; the logs of all go to the same place, with the process's number.
- When one fails, the others are given a moment to say what they know, then killed: they wait for one that
  never comes. Checkpoints are whole or not there at all, so that this costs the steps since the last one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ltx_core.training.interrupts import EXIT_INTERRUPTED, SIGNALS
from ltx_core.training.processes import PARENT

Message = dict[str, Any]
Send = Callable[[Message], None]

COMMAND = (sys.executable, "-P", "-m", "ltx_core", "train")
TELL_S = 3.0
"""After one has failed: what the others are given to tell of it."""
FOLLOW_S = 120.0
"""After one has ended in order: what the others are given to do so."""
POLL_S = 0.05
LOST = ("onnection closed", "onnection reset", "onnection refused", "DistBackendError", "DistNetworkError")
"""Words of an error that says that another process is gone: its own comes first."""


@dataclass
class Rank:
    """One of the processes.

    Attributes:
        number: from 0.
        process: that runs.
        answer: its last message that is no progress.
    """

    number: int
    process: subprocess.Popen[str]
    answer: Message = field(default_factory=dict)

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.poll()


def launch(
    request: Mapping[str, Any],
    count: int,
    send: Send,
    environment: Mapping[str, str],
    command: Sequence[str] = COMMAND,
) -> int:
    """Have `count` processes answer a request together.

    Args:
        request: given to each as a line of JSON.
        count: of processes.
        send: takes the first one's progress, then one manifest or error.
        environment: of all of them.
        command: what each one runs.

    Returns:
        The exit code: 0, 75 when the training was stopped and has saved, else 1.
    """
    ranks: list[Rank] = []
    with _forwarding(ranks):
        try:
            _start(ranks, request, count, environment, command)
            readers = [threading.Thread(target=_read, args=(rank, send), daemon=True) for rank in ranks]
            for reader in readers:
                reader.start()
            codes = _watch(ranks)
        finally:
            for rank in ranks:
                _signal(rank, signal.SIGKILL)
        for rank, reader in zip(ranks, readers, strict=True):
            rank.process.wait()
            reader.join(TELL_S)
    return _conclude(ranks, codes, send)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(
    ranks: list[Rank],
    request: Mapping[str, Any],
    count: int,
    environment: Mapping[str, str],
    command: Sequence[str],
) -> None:
    shared = {
        **environment,
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        PARENT: str(os.getpid()),
    }
    shared.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    for number in range(count):
        own = {**shared, "RANK": str(number), "LOCAL_RANK": str(number)}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen(
            command, env=own, start_new_session=True, text=True, encoding="utf-8", **pipes
        )
        ranks.append(Rank(number, process))
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already, which `_watch` sees
            process.stdin.write(json.dumps(dict(request)) + "\n")
            process.stdin.close()


def _read(rank: Rank, send: Send) -> None:
    assert rank.process.stdout is not None
    for line in rank.process.stdout:
        message = _message(line)
        if "progress" not in message:
            rank.answer = {**message, "at": time.monotonic()}
        elif message["progress"] and rank.number == 0:
            send(message)


def _message(line: str) -> Message:
    """A line of the protocol; whatever else a process prints there is no answer."""
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"progress": {}}


def _watch(ranks: Sequence[Rank]) -> dict[int, int]:
    """Wait until all have ended, or the others would wait for ever; exit codes of those that have ended."""
    deadline: float | None = None
    failed = False
    while True:
        codes = {rank.number: code for rank in ranks if (code := rank.code) is not None}
        if len(codes) == len(ranks) or (deadline is not None and time.monotonic() > deadline):
            return codes
        if not failed and any(code not in (0, EXIT_INTERRUPTED) for code in codes.values()):
            failed, deadline = True, time.monotonic() + TELL_S
        elif deadline is None and (0 in codes or EXIT_INTERRUPTED in codes.values()):
            # Not when another one has ended in order: the first may write its product for long.
            deadline = time.monotonic() + FOLLOW_S
        time.sleep(POLL_S)


@contextlib.contextmanager
def _forwarding(ranks: Sequence[Rank]) -> Iterator[None]:
    """Inside, every request to end goes to all processes, once for each time that it comes."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()  # may be filled by a signal's handler

    def forward() -> None:
        while (number := waiting.get()) >= 0:
            for rank in list(ranks):
                _signal(rank, number)

    forwarder = threading.Thread(target=forward, daemon=True)
    forwarder.start()
    before = {number: signal.signal(number, lambda got, _: waiting.put(got)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        waiting.put(-1)
        forwarder.join()


def _signal(rank: Rank, number: int) -> None:
    if rank.code is None:
        with contextlib.suppress(ProcessLookupError):
            rank.process.send_signal(number)


def _conclude(ranks: Sequence[Rank], codes: Mapping[int, int], send: Send) -> int:
    """Send the one answer of all; the exit code.

    Args:
        ranks: all of them.
        codes: exit codes of those that ended by themselves.
        send: takes the answer.
    """
    if codes.get(0) == 0 and "manifest" in ranks[0].answer:
        send({"manifest": ranks[0].answer["manifest"]})
        return 0
    if EXIT_INTERRUPTED in codes.values() and set(codes.values()) <= {0, EXIT_INTERRUPTED}:
        told = "interrupted; the same command goes on from the checkpoint"
        send({"error": told, "user": True, "interrupted": True})
        return EXIT_INTERRUPTED
    send(_cause(ranks, codes))
    return next((code for code in codes.values() if code > 1 and code != EXIT_INTERRUPTED), 1)


def _cause(ranks: Sequence[Rank], codes: Mapping[int, int]) -> Message:
    """What went wrong first: a user's mistake, an end without a word, an error; a lost connection last."""
    told = sorted((rank for rank in ranks if "error" in rank.answer), key=lambda rank: rank.answer["at"])
    mistakes = [rank for rank in ranks if rank.answer.get("user")]
    silent = [rank for rank in ranks if codes.get(rank.number) and not rank.answer]
    own = [rank for rank in told if not any(word in rank.answer["error"] for word in LOST)]
    if mistakes:
        whole = len(mistakes) == len(ranks)
        error = mistakes[0].answer["error"]
        return {"error": error if whole else _named(mistakes[0], ranks, ": ") + error, "user": True}
    if silent:
        return {"error": _silent(silent[0], ranks, codes[silent[0].number]), "user": True}
    for rank in (*own, *told):
        return {"error": _named(rank, ranks, ":\n") + rank.answer["error"], "user": False}
    return {"error": "the training processes ended without an answer", "user": False}


def _silent(rank: Rank, ranks: Sequence[Rank], code: int) -> str:
    """What to say of a process that ended without a word."""
    killed = code == -signal.SIGKILL
    how = "was killed" if killed else f"ended with exit code {code}"
    advice = "often the machine had too little memory; " if killed else ""
    return (
        f"{_named(rank, ranks, ' ')}{how}, so the others were ended: {advice}"
        "the same command goes on from the newest checkpoint"
    )


def _named(rank: Rank, ranks: Sequence[Rank], behind: str) -> str:
    return f"training process {rank.number} of {len(ranks)}{behind}"
