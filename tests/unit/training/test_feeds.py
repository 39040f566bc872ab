"""What a feed sends of what comes to it late, and again after a resume."""

from __future__ import annotations

import time

import pytest

from ltx_core.training.log import RunLog
from ltx_core.training.progress import Meter
from ltx_core.training.trackers import base
from ltx_core.training.trackers.tensorboard import tensorboard


class Kept:
    """A tracker that keeps what it is sent."""

    def __init__(self, held=0):
        self.held, self.sent = held, []

    def log(self, step, values, files):
        self.sent.append((step, sorted(values), sorted(files)))

    def close(self, finished):
        pass


def row(step):
    return {"step": step, "loss": 1.0 / step}


def wait_for(found):
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_samples_that_take_long_reach_a_tracker(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "IDLE_S", 0.05)
    tracker = Kept()
    feed = base.Feed(base.Opening("kept", lambda _: tracker), tmp_path, 0, [], lambda *_, **__: None)
    feed.step(row(1))
    feed.measured(1, {"heldout_video": 2.0}, {})
    wait_for(lambda: tracker.sent)
    feed.measured(1, {}, {"sheet": tmp_path / "sheet.png"})
    feed.close()
    assert tracker.sent == [(1, ["measured/heldout_video", "train/loss"], []), (1, [], ["sheet"])]


@pytest.mark.parametrize(("held", "again"), [(100, [120]), (130, [])])
def test_what_a_resumed_run_measures_again_is_sent_where_the_tracker_has_it_not(tmp_path, held, again):
    """Of a run that measured at 120, was killed, and goes on at 100: a tracker that hides what came after
    100 gets it again, one that keeps it does not."""
    base.Memory(tmp_path, "kept").keep(measured=120)
    tracker = Kept(held)
    feed = base.Feed(base.Opening("kept", lambda _: tracker), tmp_path, 100, [], lambda *_, **__: None)
    for step in (100, 120, 140):
        feed.measured(step, {"heldout_video": 2.0}, {})
        feed.measured(step, {}, {"sheet": tmp_path / "sheet.png"})
    feed.close()
    whole = [(step, ["measured/heldout_video"], ["sheet"]) for step in (*again, 140)]
    assert tracker.sent == whole


def test_a_board_has_each_value_once_where_a_run_goes_on_or_begins_again(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for first, last in ((0, 3), (0, 6), (4, 8)):  # killed before a checkpoint, then after one of step 4
        feed = base.Feed(tensorboard(tmp_path, {"a": 1}), tmp_path, first, [], lambda *_, **__: None)
        if not first:
            feed.measured(0, {"heldout_video": 9.0}, {})
        for step in range(first + 1, last + 1):
            feed.step(row(step))
            if step % 2 == 0:
                feed.measured(step, {"heldout_video": float(last)}, {})
        feed.close()
        assert not feed.failed
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("train/loss")] == list(range(1, 9))
    found = [(event.step, event.value) for event in board.Scalars("measured/heldout_video")]
    assert found == [(0, 9.0), (2, 6.0), (4, 6.0), (6, 8.0), (8, 8.0)]


def test_rows_of_before_have_the_names_of_what_was_measured():
    assert base.numbers_of({"step": 3, "heldout_video": 1.5}) == {"measured/heldout_video": 1.5}


def test_a_tracker_that_fails_is_told_to_the_live_view(tmp_path):
    def broken(step):
        raise ConnectionError("the server is gone")

    meter = Meter(10)
    log = RunLog(tmp_path, trackers=[base.Opening("kept", broken)], told=meter.event)
    wait_for(lambda: meter.now().warnings)
    log.close()
    (warning,) = meter.now().warnings
    assert warning == "kept: failed: ConnectionError: the server is gone"
    assert '"event": "tracker"' in (tmp_path / "log.jsonl").read_text()
