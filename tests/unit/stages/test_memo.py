"""What is remembered is forgotten with the rows that it was made of, and with nothing else."""

from __future__ import annotations

import threading

import pytest

from ltx_core.config.load import build
from ltx_core.run import Pipeline
from ltx_core.stages.base import pending
from ltx_core.stages.memo import Memo


def test_what_was_made_of_a_forgotten_stage_is_made_again():
    memo, made = Memo(), []

    def make(name, *uses, stage=None):
        def build():
            made.append(name)
            if stage is not None:
                memo.depend(stage)
            return name + "".join(make(*use) for use in uses)

        return memo.get(name, build)

    def leaf(name, stage):
        return memo.get(name, lambda: (made.append(name), memo.depend(stage), name)[-1])

    def tree():
        return memo.get("tree", lambda: (made.append("tree"), leaf("a", "one") + leaf("b", "two"))[-1])

    assert make("plain") == "plain" and tree() == "ab" and leaf("a", "one") == "a"
    assert made == ["plain", "tree", "a", "b"]
    memo.forget(["three"])
    memo.forget([])
    tree()
    assert len(made) == 4
    memo.forget(["two"])
    tree()
    assert made[4:] == ["tree", "b"]
    # A hit counts for what is made of it: `tree` was made of a remembered `a`.
    memo.forget(["one"])
    tree()
    assert made[6:] == ["tree", "a"]
    make("plain")
    assert made.count("plain") == 1


def test_what_fails_is_not_remembered_and_threads_do_not_mix():
    memo = Memo()
    with pytest.raises(KeyError):
        memo.get("x", lambda: {}["missing"])
    inside, go = threading.Event(), threading.Event()

    def slow():
        inside.set()
        go.wait(10)
        return 1

    thread = threading.Thread(target=lambda: memo.get("slow", slow))
    thread.start()
    inside.wait(10)
    memo.get("other", lambda: memo.depend("one"))
    go.set()
    thread.join()
    memo.forget(["one"])
    assert memo.get("slow", lambda: 2) == 1
    assert memo.get("x", lambda: 3) == 3


def test_rows_that_another_process_commits_or_removes_are_seen(tmp_path):
    (tmp_path / "films").mkdir()
    for number in range(3):
        (tmp_path / "films" / f"{number}.mp4").write_bytes(b"%d" % number)
    raw = {"workspace": str(tmp_path / "ws"), "dataset": {"source": str(tmp_path / "films")}}
    mine, other = (Pipeline(build(raw, tmp_path, "run.yaml")) for _ in range(2))
    assert mine.plan("sources").missing == 3 and not mine.plan("scenes").ready
    items = mine.context.items("sources")
    spec = other.registry["sources"]
    rows = [pending(item, columns={"width": 64}) for item in other.context.items("sources")]
    other.context.store.write(spec.meta(other.context), rows[:2])
    assert mine.plan("sources").missing == 1 and not mine.plan("scenes").ready
    other.context.store.write(spec.meta(other.context), rows[2:])
    assert mine.plan("sources").missing == 0 and mine.plan("scenes").total == 3
    assert mine.context.items("sources") is items  # keys do not depend on the stage's own rows
    part = sorted(mine.context.store.folder("sources").glob("part-*.parquet"))[0]
    part.unlink()
    assert mine.plan("sources").missing in (1, 2) and not mine.plan("scenes").ready
