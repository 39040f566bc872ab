"""A workspace that a short run of the demo has filled, once for all proofs that start from one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli import Clone

Copy = Callable[[], Clone]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The demo after one short run. Only to be read; `fork` gives a copy to change."""
    clone = Clone.make(tmp_path_factory.mktemp("demo") / "clone")
    clone.ltx("run", "configs/demo.yaml")
    return clone


@pytest.fixture
def fork(demo: Clone, tmp_path: Path) -> Clone:
    """A copy of the demo after its run, in another folder, times of files kept."""
    shutil.copytree(demo.folder, tmp_path / "clone")
    return Clone(tmp_path / "clone", demo.overrides)
