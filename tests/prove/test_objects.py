"""A run that reads an object store and is killed in the middle of fetching: nothing half, nothing twice."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli import Clone, rows
from object_server import CREDENTIALS, object_server, slowly

from ltx_core.store.disk import TEMPORARY_PREFIX

pytestmark = pytest.mark.prove
ROOT = Path(__file__).resolve().parents[2]
SCAN = """
import sys
from pathlib import Path
from ltx_core.curation.options.sources import ObjectStoreOptions, SourceOptions
from ltx_core.stages.scan import Scan, scan
workspace, endpoint = sys.argv[1:]
how = Scan(Path(workspace) / "scan.sqlite", objects=ObjectStoreOptions(endpoint=endpoint))
for file in scan([SourceOptions("s3://films/set")], how):
    print(file.name, file.digest, file.problem)
"""


def started(workspace: Path, endpoint: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCAN, str(workspace), endpoint],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **CREDENTIALS},
    )


def contents(workspace: Path) -> list[Path]:
    return [path for path in (workspace / "objects" / "content").rglob("*") if path.is_file()]


def test_a_fetch_killed_in_the_middle_leaves_nothing_half_and_goes_on(tmp_path: Path):
    bodies = {f"{n:04d}.mp4": n.to_bytes(2, "big") * (3000 + 40 * n) for n in range(1030)}
    fetched: list[str] = []
    with object_server() as server:
        for name, body in bodies.items():
            server.put_as(f"set/{name}", body)
        server.fault = slowly(0.01)
        for wanted in (60, 200):
            fetch = started(tmp_path, server.endpoint)
            count = len(server.seen) + 3 * wanted
            while len(server.seen) < count and fetch.poll() is None:
                time.sleep(0.01)
            time.sleep(2.5)  # past the moment at which what was fetched is remembered
            fetch.send_signal(signal.SIGKILL)
            fetch.wait()
            whole = [path for path in contents(tmp_path) if not path.name.startswith(TEMPORARY_PREFIX)]
            for path in whole:
                assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.name)
            fetched += server.fetched()
        half = [path for path in contents(tmp_path) if path.name.startswith(TEMPORARY_PREFIX)]
        for path in half:
            os.utime(path, (1, 1))
        server.fault = lambda request: False
        output, _ = started(tmp_path, server.endpoint).communicate(timeout=120)
        fetched += server.fetched()
        again, _ = started(tmp_path, server.endpoint).communicate(timeout=120)
        assert server.fetched() == []
    digests = {name: hashlib.sha256(body).hexdigest()[:32] for name, body in bodies.items()}
    assert output.splitlines() == [f"{name} {digest} " for name, digest in digests.items()]
    assert again == output
    assert not [path for path in contents(tmp_path) if path.name.startswith(TEMPORARY_PREFIX)]
    # A kill costs what was in flight and what was fetched in the last seconds before it.
    assert set(fetched) == {f"set/{name}" for name in bodies} and len(fetched) < 1.5 * len(bodies)


def test_films_of_a_bucket_become_the_rows_that_the_same_films_in_a_folder_are(tmp_path: Path):
    with object_server() as server:
        clone = Clone.make(tmp_path / "clone", "workspace=workspace")
        films = sorted(path for path in clone.footage.iterdir() if path.is_file())
        for path in films:
            server.put_as(f"set/{path.name}", path.read_bytes())
        clone.ltx("stage", "captions", "configs/demo.yaml")
        local = rows(clone.workspace)
        remote = Clone(clone.folder, clone.overrides, dict(CREDENTIALS))
        own = ("dataset.source=s3://films/set", f"dataset.object_store.endpoint={server.endpoint}")
        remote.ltx("stage", "captions", "configs/demo.yaml", *own)
        assert rows(clone.workspace) == local, "rows know contents, not places"
        shown = remote.ltx("check", "configs/demo.yaml", *own)
        assert "prefix s3://films/set" in shown and "hunter2" not in shown
