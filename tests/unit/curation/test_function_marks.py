"""A user's module is read as text, whatever a garbage collection does meanwhile."""

from __future__ import annotations

import gc

from ltx_core.curation.functions import mark


def test_no_garbage_collection_runs_while_a_module_is_parsed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "large_one.py").write_text("VERSION = 7\n" + "values = [(1, 2), (3, 4)]\n" * 3000)
    collected = []

    def watch(phase, info):
        collected.append(phase)

    before = gc.get_threshold()
    gc.callbacks.append(watch)
    gc.set_threshold(50)
    try:
        collected.clear()
        found = mark("large_one:make")
        during = len(collected)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(watch)
    assert found == "VERSION 7" and gc.isenabled()
    assert during < 20  # parsing alone allocates enough for hundreds
