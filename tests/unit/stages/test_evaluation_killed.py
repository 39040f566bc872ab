"""An evaluation that was killed on its way leaves nothing that an earlier config takes for its own."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ltx_core.stages.base import Item
from ltx_core.stages.evaluate import Evaluate
from ltx_core.store.rows import Row


class Killed(BaseException):
    """The end of the process."""


def row(stage: str, key: str) -> Row:
    return Row(key, "", stage, 1, "ok", "", (), key, "", "", "", (), (), "", {"run": "runs/demo-1"})


def test_an_earlier_one_is_not_trusted_after_its_samples_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, stage = tmp_path / "runs" / "demo-1", Evaluate()
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("of e1")
    (folder / "evaluation.json").write_text(json.dumps({"row": "e1"}))
    context: Any = SimpleNamespace(config=SimpleNamespace(workspace=tmp_path))
    assert stage.valid(context, row("evaluate", "e1"))

    def measure(_: Any, run: Path, __: Any) -> None:
        (run / "samples").mkdir()
        raise Killed

    monkeypatch.setattr("ltx_core.stages.measure.measure", measure)
    monkeypatch.setattr("ltx_core.stages.evaluate.load_samples", lambda _: (None, []))
    with pytest.raises(Killed):
        list(stage.compute(context, [Item("e2", "", "evaluate", (), row("train", "t"))]))
    assert (folder / "samples").is_dir() and not stage.valid(context, row("evaluate", "e1"))
