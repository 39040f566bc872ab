"""A training on Prefect's pages: a bar that is renewed, pages with pictures, few of each."""

from __future__ import annotations

import logging

import pytest
from PIL import Image

from ltx_core.training.log import RunLog
from tasks import _training
from tasks._training import TrainingPages


@pytest.fixture
def told(monkeypatch):
    """What Prefect was told: (kind, text)."""
    found = []
    monkeypatch.setattr(_training.TaskRunContext, "get", classmethod(lambda cls: object()))
    monkeypatch.setattr(
        _training, "create_progress_artifact", lambda share, **more: found.append(("begun", share)) or 7
    )
    monkeypatch.setattr(
        _training, "update_progress_artifact", lambda key, share, **more: found.append(("renewed", share))
    )
    monkeypatch.setattr(
        _training, "create_markdown_artifact", lambda text, **more: found.append(("page", text))
    )
    return found


def make_run(folder):
    log = RunLog(folder)
    for step in range(1, 21):
        log.step({"step": step, "loss": 1 / step, "loss_video": 1 / step})
    log.close()
    sheet = folder / "samples" / "step_000010" / "sheet.png"
    sheet.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(sheet)


def message(step):
    return {"run": "runs/one", "step": step, "steps": 1000, "loss": 0.5, "losses": {"video": 0.5}}


def test_few_messages_of_many_are_shown_and_the_last_one_is(tmp_path, told, monkeypatch):
    (tmp_path / "runs" / "one").mkdir(parents=True)
    make_run(tmp_path / "runs" / "one")
    now = [0.0]
    monkeypatch.setattr(_training.time, "monotonic", lambda: now[0])
    pages = TrainingPages(tmp_path)
    for step in range(1, 1001):
        now[0] += 1.0
        pages(message(step))
    kinds = [kind for kind, _ in told]
    assert kinds.count("begun") == 1
    assert kinds.count("renewed") == 100
    assert kinds.count("page") == 4
    assert [share for kind, share in told if kind == "renewed"][-1] == 100.0
    text = next(text for kind, text in told if kind == "page")
    assert text.count("data:image/png;base64,") == 2, "the curves and the newest samples"
    assert "loss 0.5000" in text


def test_a_server_that_is_gone_costs_no_training(tmp_path, told, monkeypatch, caplog):
    def gone(*_, **__):
        raise ConnectionError("no server")

    monkeypatch.setattr(_training, "create_progress_artifact", gone)
    pages = TrainingPages(tmp_path)
    with caplog.at_level(logging.WARNING):
        for step in range(3):
            pages(message(step))
    assert caplog.text.count("not shown on Prefect's pages any more") == 1
    assert told == []


def test_outside_of_a_run_nothing_is_told(tmp_path):
    pages = TrainingPages(tmp_path)
    pages(message(1))
    assert pages._artifact is None
