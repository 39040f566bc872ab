"""A quiet server for the flow tests, and work on the fake pipeline. Prefect is imported in the tests only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_pipeline import FakePipeline

from flows._server import server
from tasks import _work
from tasks._work import Job

FAKE = Path(__file__).with_name("fake_pipeline.py")


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Our own local server, for all tests of a session."""
    before = dict(os.environ)
    os.environ.pop("PREFECT_API_URL", None)
    with server(tmp_path_factory.mktemp("prefect")):
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    """The fake pipeline in place of the real one, its workers in place of ours."""
    pipeline = FakePipeline(tmp_path)
    monkeypatch.setattr(Job, "open", lambda self: pipeline)
    for name, kind in (("WORKER", "worker"), ("TRAIN", "train")):
        monkeypatch.setattr(_work, name, (sys.executable, str(FAKE), kind, str(tmp_path)))
    return pipeline


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait for something to become true, 200 s at most: a server needs more than 60 s on a busy machine."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 200
        while not condition():
            assert time.monotonic() < deadline, "timed out"
            time.sleep(0.05)

    return wait
