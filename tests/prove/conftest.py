"""A workspace that a short run of the demo has filled, once for all proofs that start from one."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cli import Clone

from flows._server import LocalServer

Copy = Callable[[], Clone]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The demo after one short run, which all processes of the tests share. Only to be read; `fork` gives a
    copy to change."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / "demo" / "clone", base / "demo.done"
    with (base / "demo.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if done.exists():
            return Clone(folder)
        shutil.rmtree(folder, ignore_errors=True)  # of a run that failed
        clone = Clone.make(folder)
        clone.ltx("run", "configs/demo.yaml")
        done.touch()
    return clone


@pytest.fixture
def fork(demo: Clone, tmp_path: Path) -> Clone:
    """A copy of the demo after its run, in another folder, times of files kept."""
    shutil.copytree(demo.folder, tmp_path / "clone")
    return Clone(tmp_path / "clone", demo.overrides)


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of runs that use one Prefect server, as a user's own is used."""
    local = LocalServer(tmp_path_factory.mktemp("prefect"))
    try:
        local.wait()
        yield dict(local.client)
    finally:
        local.close()


@pytest.fixture
def served(fork: Clone, prefect: dict[str, str]) -> Clone:
    """A `fork` whose runs start no server of their own."""
    return replace(fork, env=prefect)
