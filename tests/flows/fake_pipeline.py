"""A pipeline with the interface of the real one and files instead of rows, and a worker process for it.

As a program it is the worker: `python fake_pipeline.py worker|train FOLDER`. A request's overrides make it
misbehave: `mistake=STAGE`, `crash=STAGE`, `die=STAGE`, `sleep=SECONDS`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ltx_core.errors import ConfigError, LtxError
from ltx_core.stages.base import StagePlan

ROWS = {"sources": 2, "clips": 5, "captions": 5, "latents": 5, "dataset": 1, "train": 1, "evaluate": 1}
CHUNK = 2


class FakePipeline:
    """Seven stages; a row is an empty file, so that a test can delete one."""

    def __init__(self, folder: Path) -> None:
        self.config = SimpleNamespace(
            workspace=folder, fetch=lambda say: None, engine=SimpleNamespace(workers=1, resumes=2)
        )
        self.folder = folder

    def refuse(self) -> list[str]:
        return []

    def changes(self) -> list[str]:
        return []

    def begin(self) -> None:
        """Times are counted from here."""

    def stages(self, until: str | None = None) -> list[str]:
        names = list(ROWS)
        if until is not None and until not in names:
            raise ConfigError(f"no stage is named {until!r}")
        return names[: names.index(until) + 1] if until else names

    def path(self, stage: str, key: str) -> Path:
        return self.folder / stage / key

    def plan(self, stage: str) -> StagePlan:
        keys = [f"{stage}-{number}" for number in range(ROWS[stage])]
        missing = [key for key in keys if not self.path(stage, key).exists()]
        chunks = [missing[start : start + CHUNK] for start in range(0, len(missing), CHUNK)]
        return StagePlan(stage, True, len(keys), len(keys) - len(missing), len(missing), [], chunks)

    def compute(self, stage: str, chunk: list[str]) -> dict[str, Any]:
        for key in chunk:
            self.path(stage, key).parent.mkdir(parents=True, exist_ok=True)
            self.path(stage, key).write_text(str(os.getpid()))
        return self._manifest(stage, len(chunk), 0.5)

    def manifest(self, stage: str) -> dict[str, Any]:
        return self._manifest(stage, ROWS[stage], 0.0)

    def _manifest(self, stage: str, rows: int, seconds: float) -> dict[str, Any]:
        rejected = [("broken.mp4", "unreadable: moov atom not found")] if stage == "sources" else []
        report = {"run": "runs/fake", "report": "report.html"} if stage == "evaluate" else {}
        counts = {"stage": stage, "rows": rows, "ok": rows - len(rejected), "seconds": seconds}
        return {**counts, "rejected": rejected, **report}


def misbehave(wishes: dict[str, str], stage: str) -> None:
    if wishes.get("mistake") == stage:
        raise LtxError("dataset.source /nowhere does not exist; give a folder of videos")
    if wishes.get("crash") == stage:
        raise RuntimeError("a bug")
    if wishes.get("die") == stage:
        os.kill(os.getpid(), signal.SIGKILL)


def save_and_stop(folder: Path) -> None:
    (folder / "saved").write_text("state")
    sys.exit(75)


def serve(kind: str, folder: Path) -> None:
    """Answer requests; a training saves on SIGTERM and ends with 75, and goes on from there at once."""
    pipeline = FakePipeline(folder)
    if kind == "train":
        signal.signal(signal.SIGTERM, lambda *_: save_and_stop(folder))
    for line in sys.stdin:
        request = json.loads(line)
        wishes = dict(wish.split("=") for wish in request["overrides"])
        try:
            misbehave(wishes, request["stage"])
            say({"progress": {"done": 0, "total": len(request["chunk"])}})
            (folder / f"{kind}.pid").write_text(str(os.getpid()))
            if kind == "worker" or not (folder / "saved").exists() or "deaf" in wishes:
                time.sleep(float(wishes.get("sleep", 0)))
            say({"manifest": pipeline.compute(request["stage"], request["chunk"])})
        except LtxError as error:
            say({"error": str(error), "user": True})
        except RuntimeError as error:
            sys.stderr.write("ERROR worker: about to fail\n")
            say({"error": f"RuntimeError: {error}", "user": False})


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
