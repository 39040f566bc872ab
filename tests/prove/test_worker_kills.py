"""Several worker processes: the rows of one, and none lost or doubled when they are killed for real."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from cli import Clone, finish

pytestmark = pytest.mark.prove

CONFIG = "configs/v2v_ic_lora.yaml"
SMALL = ("engine.chunk_rows=4", "engine.threads=1", "dataset.references.kind=canny")
STAGES = ("sources", "scenes", "clips", "scores", "captions", "references", "latents", "dataset")


def contents(workspace: Path) -> dict[str, list[tuple[str, str]]]:
    """(key, content) of every committed row of every stage; a row that was written twice is there twice."""
    found = {}
    for stage in STAGES:
        rows: list[tuple[str, str]] = []
        for path in sorted((workspace / "store" / stage).glob("part-*.parquet")):
            table = pq.read_table(path, columns=["row_key", "content_digest"])
            rows += zip(*table.to_pydict().values(), strict=True)
        found[stage] = sorted(rows)
    return found


def workers(parent: int) -> list[psutil.Process]:
    """Processes below `parent` that compute rows."""
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[-3:] == ["-m", "ltx_core", "worker"] and "_guard" not in str(
                process.cmdline()
            ):
                found.append(process)
    return found


def test_killed_workers_lose_and_double_nothing(tmp_path: Path):
    clone = Clone.make(tmp_path / "clone")
    for film in ("morning", "evening"):  # the rest is enough for several chunks
        (clone.footage / f"{film}.mp4").unlink()
    one, two = tmp_path / "one", tmp_path / "two"
    clone.ltx("stage", "dataset", CONFIG, f"workspace={one}", *SMALL)
    run = clone.start("stage", "dataset", CONFIG, f"workspace={two}", *SMALL, "engine.workers=2")
    killed = 0
    while run.poll() is None:
        time.sleep(0.5)
        found = workers(run.pid) if (two / "store" / "scenes").is_dir() and killed < 3 else []
        for process in found[:1]:
            process.kill()
            killed += 1
            time.sleep(2)
    assert "Traceback" not in finish(run)
    assert killed
    expected, got = contents(one), contents(two)
    assert all(expected.values())
    assert got == expected
