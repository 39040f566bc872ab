"""What a tracker is handed when a run goes on: nothing twice, nothing that a kill kept from it left out."""

from __future__ import annotations

import time

from ltx_core.training.trackers import base


class Kept:
    """A tracker that keeps what it is told, and holds rows up to a step from before."""

    def __init__(self, held):
        self.held, self.got = held, []

    def log(self, step, values, files):
        self.got.append((step, sorted(values), sorted(files)))

    def close(self, finished):
        pass


def test_samples_that_a_kill_kept_from_a_tracker_are_handed_over_once(tmp_path, monkeypatch):
    """Losses of a step were sent, its samples took long, and the run was killed while they were made."""
    monkeypatch.setattr(base, "IDLE_S", 0.02)
    losses, films = {"heldout_video": 1.6}, {"sheet": tmp_path / "sheet.png"}

    def resumed(held, *told):
        tracker = Kept(held)
        feed = base.Feed(base.Opening("kept", lambda _: tracker), tmp_path, held, [], lambda *_, **__: None)
        for values, files in told:
            feed.measured(4, values, files)
            time.sleep(0.1)
        feed.close()
        assert feed.failed == ""
        return tracker.got

    assert resumed(0, (losses, {})) == [(4, ["measured/heldout_video"], [])]
    assert resumed(4, (losses, {}), ({}, films)) == [(4, [], ["sheet"])]
    assert resumed(4, (losses, {}), ({}, films)) == []
    assert resumed(2, (losses, {}), ({}, films)) == [(4, ["measured/heldout_video"], []), (4, [], ["sheet"])]
    (tmp_path / "trackers" / "kept.json").write_text('{"measured": 4}')
    assert resumed(4, (losses, {}), ({}, films)) == [], "an earlier version had sent both"
