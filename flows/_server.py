"""Prefect's server for a run on one machine: a quiet child of this process that ends with it.

Prefect's own temporary server outlives a `kill -9` of its parent, loses the end of the history and says a
good deal. Ours is guarded (`tasks/_guard.py`), keeps its history under the workspace, listens on a socket of
loopback that this process opened (no race for a port), asks for a password that only this process knows, and
has neither telemetry nor the services that a single run does not need. Where the user has a server
(`PREFECT_API_URL`), that one is used.
"""

from __future__ import annotations

import fcntl
import importlib
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from ltx_core.errors import LtxError
from tasks._process import end, start

READY_S = 120.0
"""How long a new server may take; its first start makes a database (5 to 20 s, measured on two cores)."""
DRAIN_S = 1.3
"""What the server is given at the end to write down the last task runs. Its recorder flushes every second:
with a shorter interval it never sleeps, and takes a third of a core as long as the run lasts (measured)."""
RESTARTS = 3
"""How often a server that ended by itself, before it answered or during a run, is started again."""
DATABASE_BYTES = 8 << 20
"""What a new database and its journal need (5.6 MB measured after one run)."""
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_PROMPT": "false",
}
"""What this process is told: nothing to say, nothing to send."""
LOCAL = {
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_UI_ENABLED": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
"""What the server is told beside: no pages, no services but the recorder of runs."""


class ServerError(LtxError):
    """Prefect's server does not start or does not answer."""


class LocalServer:
    """A Prefect server that is a child of this process; `wait` before the first flow, `close` at the end."""

    def __init__(self, home: Path) -> None:
        self.log = home / "server.log"
        try:
            home.mkdir(parents=True, exist_ok=True)
            self.log.write_text("")
        except OSError as error:
            raise ServerError(
                f"{home}, where Prefect keeps its history, cannot be written ({error.strerror}): "
                "set `workspace` to a folder that you may write to."
            ) from None
        password = f"ltx:{secrets.token_urlsafe(24)}"
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/api"
        self.client = {
            **QUIET,
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.url,
            "PREFECT_API_AUTH_STRING": password,
        }
        self._settings = {**os.environ, **self.client, **LOCAL, "PREFECT_SERVER_API_AUTH_STRING": password}
        self._closing = threading.Event()
        self._restarting = threading.Lock()
        # One server at a time makes or migrates the database: two at once, and one of them fails.
        self._turn = (home / "start.lock").open("w")
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        descriptor = self.listener.fileno()
        with self.log.open("a") as log:
            return start(
                [sys.executable, "-P", "-m", "flows._serve", str(descriptor)],
                pass_fds=[descriptor],
                env=self._settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        """Return when the server answers. Raises ServerError with its log's end when it does not."""
        for attempt in range(RESTARTS):
            if attempt:
                self.process = self._start()
            if self._is_ready(time.monotonic() + READY_S):
                self._turn.close()
                threading.Thread(target=self._keep, daemon=True).start()
                return
            _check_room(self.log.parent)
            if self.process.poll() is None:
                break
        code, tail = self.process.poll(), "\n".join(self.log.read_text().splitlines()[-15:])
        ended = f"ended with exit code {code}" if code is not None else f"did not answer in {READY_S:.0f} s"
        text = f"Prefect's local server {ended}: run the same command again. The end of {self.log}:\n{tail}"
        raise ServerError(text.rstrip())

    def _is_ready(self, deadline: float) -> bool:
        while time.monotonic() < deadline and self.process.poll() is None:
            if answers(self.url):
                return True
            time.sleep(0.1)
        return False

    def _keep(self) -> None:
        """Start a killed server again, on the same socket: Prefect only waits for a while."""
        for _ in range(RESTARTS):
            self.process.wait()
            with self._restarting:
                if self._closing.is_set():
                    return
                self.process = self._start()

    def close(self) -> None:
        """Let what this process has still to send arrive and be written down, then end the server."""
        if self.process.poll() is None and "prefect.flows" in sys.modules:
            send_the_rest()
            time.sleep(DRAIN_S)
        with self._restarting:
            self._closing.set()
            end(self.process, grace=5)
        self._turn.close()
        self.listener.close()


def _check_room(home: Path) -> None:
    """Say so when the server failed because its database found no room; its own log does not."""
    probe = home / ".room"
    try:
        probe.write_bytes(bytes(DATABASE_BYTES))
    except OSError as error:
        raise ServerError(
            f"Prefect's local server did not start: {home}, where it keeps its history, cannot take "
            f"{DATABASE_BYTES >> 20} MiB ({error.strerror}). Free some space, or set `workspace` to a folder "
            "on another disk; what was computed before is kept."
        ) from None
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


@contextmanager
def server(home: Path) -> Iterator[None]:
    """Prefect's settings in this process's environment, and a server behind them, while the context lasts.

    Enter before prefect is imported: it reads its settings then. Raises ServerError.
    """
    url = users_server()
    if url:
        os.environ |= QUIET
        if not answers(url):
            raise ServerError(
                f"No Prefect server answers at {url}: start it (`prefect server start`), "
                "or unset PREFECT_API_URL to run without one."
            )
        yield
        return
    local = LocalServer(home)
    try:
        os.environ |= local.client
        importlib.import_module("prefect.flows")  # takes a second or two, while the server starts
        local.wait()
        yield
    finally:
        local.close()


def users_server() -> str | None:
    """The address of the server that the user has set, in the environment or in Prefect's active profile."""
    if url := os.environ.get("PREFECT_API_URL"):
        return url
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    try:
        profiles = tomllib.loads((home / "profiles.toml").read_text())
    except (OSError, tomllib.TOMLDecodeError):
        return None
    name = os.environ.get("PREFECT_PROFILE") or profiles.get("active")
    url = profiles.get("profiles", {}).get(name, {}).get("PREFECT_API_URL")
    return str(url) if url else None


def send_the_rest() -> None:
    """Empty Prefect's queues of log lines and events; it would try after the server's end, and complain."""
    from prefect.events.worker import EventsWorker

    for name in ("prefect.flow_runs", "prefect.task_runs"):
        for handler in logging.getLogger(name).handlers:
            handler.flush()
    EventsWorker.drain_all(timeout=5)


def answers(url: str) -> bool:
    """Whether a Prefect API is there."""
    try:
        return httpx.get(f"{url.rstrip('/')}/health", timeout=5).status_code in (200, 401, 403)
    except httpx.HTTPError:
        return False
