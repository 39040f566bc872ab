"""A real Prefect server and worker as a user has them, secured; all of it ends with this process."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tasks._process import end, start

ROOT = Path(__file__).resolve().parents[2]
PREFECT = (sys.executable, "-m", "prefect")
DEPLOYMENT = "train-lora/train-lora"
T = TypeVar("T")


class Site:
    """The server, the worker, the client's settings and the commands of docs/operations.md."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        self.env = clean | {
            "DO_NOT_TRACK": "1",
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.url,
            "PREFECT_API_AUTH_STRING": "ltx:a password",
            "PREFECT_SERVER_API_AUTH_STRING": "ltx:a password",
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "COLUMNS": "200",
        }
        self.home = home
        self.server = self._start("server", "server", "start", "--host", "127.0.0.1", "--port", str(port))
        self.until(self._healthy, 120)
        self.prefect("work-pool", "create", "local", "--type", "process")
        self.prefect("concurrency-limit", "create", "gpu", "1")
        self.worker = self._start("worker", "worker", "start", "--pool", "local", cwd=home)

    def close(self) -> None:
        """Stop the worker, then the server."""
        end(self.worker, 20)
        end(self.server, 10)

    def prefect(self, *arguments: str) -> str:
        """Run a `prefect` command in the checkout; what it says."""
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        command = [*PREFECT, "--no-prompt", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.env, check=False, **pipes)
        assert done.returncode == 0, done.stdout + done.stderr + self.log("server")
        return done.stdout

    def run(self, overrides: list[str]) -> str:
        """Start the deployment; the id of its run."""
        parameters = ("-p", "config=configs/demo.yaml", "-p", f"overrides={json.dumps(overrides)}")
        said = self.prefect("deployment", "run", DEPLOYMENT, *parameters)
        return next(word for word in said.split() if len(word) == 36 and word.count("-") == 4)

    def ask(self, question: Callable[[Any], Awaitable[T]]) -> T:
        """Ask the server by Prefect's client, with this site's settings."""
        from prefect.client.orchestration import get_client
        from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

        async def answer() -> T:
            async with get_client() as client:
                return await question(client)

        mine = {PREFECT_API_URL: self.url, PREFECT_API_AUTH_STRING: "ltx:a password"}
        with temporary_settings(mine):
            return asyncio.run(answer())

    def state(self, run: str) -> str:
        """The state of a flow run."""
        return self.ask(lambda client: client.read_flow_run(run)).state_name

    def states(self, run: str) -> set[str]:
        """States of a run's task runs; the server writes them down a second later."""
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

        this = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
        found = self.ask(lambda client: client.read_task_runs(flow_run_filter=this))
        return {task.state_name for task in found}

    def schedule(self) -> Any:
        """The deployment's one schedule."""
        (found,) = self.ask(lambda client: client.read_deployment_by_name(DEPLOYMENT)).schedules
        return found

    def finished(self, run: str, seconds: float = 400) -> str:
        """Wait for a run's end; its final state."""
        ends = ("Completed", "Failed", "Crashed", "Cancelled")
        self.until(lambda: self.state(run) in ends, seconds)
        return self.state(run)

    def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for something to become true."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.log("server") + self.log("worker")
            time.sleep(0.5)

    def log(self, name: str) -> str:
        """The end of a log."""
        return f"\n--- {name}\n" + (self.home / f"{name}.log").read_text()[-4000:]

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def _start(self, name: str, *arguments: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
        with (self.home / f"{name}.log").open("w") as log:
            pipes = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            return start([*PREFECT, *arguments], cwd=cwd, env=self.env, **pipes)
