"""Records beside the run's folder: W&B offline, trackio, TensorBoard; what fails costs no training."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy import run

from ltx_core.training.log import read_metrics
from ltx_core.training.plan import Hook
from ltx_core.training.tracker_options import Tracking, TrackioOptions, WandbOptions
from ltx_core.training.trackers import base
from ltx_core.training.trackers.wandb import history_steps

SECRET = "hf_0123456789abcdefghij"
PICTURE = Path(__file__).parents[3] / "data" / "footage" / "wide.mp4"
ROOT = Path(__file__).parents[3]
OFFLINE = WandbOptions(enabled=True, mode="offline", project="toys", tags=("a", "b"))
FACTS = {
    "optimization": {"learning_rate": 0.01},
    "dataset": {"captions": {"base_url": f"https://me:{SECRET}@host/v1", "api_key": "12345678"}},
}


def events(folder, name):
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == name]


def steps_of(folder):
    """The steps of all offline parts of the W&B run, in the order of the parts."""
    parts = sorted(folder.glob("wandb/offline-run-*/*.wandb"))
    return [step for part in parts for step in history_steps(part)]


def history(folder):
    """Tag -> value by step, as W&B's own messages hold it."""
    from wandb.proto import wandb_internal_pb2 as kinds

    from ltx_core.training.trackers.wandb import _records

    found = {}
    for part in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for content in _records(part.read_bytes()):
            record = kinds.Record()
            record.ParseFromString(content)
            if record.WhichOneof("record_type") == "history":
                values = {"/".join(i.nested_key) or i.key: i.value_json for i in record.history.item}
                found.setdefault(record.history.step.num, {}).update(values)
    return found


def measure(step):
    return {"heldout_video": 2.0 - step / 10}


def sample(folder):
    """A hook that leaves a sheet and a video, as a training's samples do."""

    def draw(step):
        from PIL import Image

        target = folder / "samples" / f"step_{step:06d}"
        target.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (step, 0, 0)).save(target / "sheet.png")
        (target / "01.mp4").write_bytes(PICTURE.read_bytes())

    return draw


@pytest.fixture
def outward(monkeypatch):
    """Addresses of other machines that this process tried to reach."""
    tried, connect = [], socket.socket.connect

    def watched(self, address):
        if self.family != socket.AF_UNIX and str(address[0]) not in ("127.0.0.1", "::1", "localhost"):
            tried.append(address)
            raise OSError("no network in this test")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("TRACKIO_SPACE_ID", "somebody/else")
    return tried


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """trackio's folder, one for a process: it is read when trackio is loaded."""
    return tmp_path_factory.mktemp("trackio")


def test_a_resumed_run_has_each_step_once_in_every_tracker(tmp_path, home, outward):
    folder = tmp_path / "toy-run"
    tracking = Tracking(OFFLINE, TrackioOptions(enabled=True, project="toys", dir=home), FACTS)
    hooks = [Hook(measure, every=4, at_start=True), Hook(sample(folder), every=4)]
    for steps in (5, 9):
        run(folder, steps=steps, interval=2, hooks=hooks, tracking=tracking, tensorboard=True)
    assert events(folder, "tracker") == []
    rows = {row["step"]: row for row in read_metrics(folder)}

    assert steps_of(folder) == list(range(10))
    ids = {path.name.rpartition("-")[2] for path in (folder / "wandb").glob("offline-run-*")}
    assert ids == {json.loads((folder / "trackers" / "wandb.json").read_text())["id"]}
    found = history(folder)
    for step in range(1, 10):
        assert float(found[step]["loss/video"]) == rows[step]["loss_video"]
    assert float(found[4]["measured/heldout_video"]) == 1.6
    media = [path.name for path in folder.glob("wandb/offline-run-*/files/media/*/samples/*")]
    assert sorted(name.split("_")[0] for name in media) == ["01", "01", "sheet", "sheet"]

    from trackio.sqlite_storage import SQLiteStorage

    logs = SQLiteStorage.get_logs("toys", "toy-run")
    assert [entry["step"] for entry in logs] == list(range(10))
    assert [entry.get("loss/video") for entry in logs][1:] == [rows[step]["loss_video"] for step in rows]
    assert "samples/sheet" in logs[8]

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("loss/video")] == list(range(1, 10))
    assert [event.step for event in board.Images("samples/sheet")] == [4, 8]

    assert outward == []
    for path in [*folder.rglob("*"), *home.rglob("*")]:
        if path.is_file():
            content = path.read_bytes()
            assert SECRET.encode() not in content, path
            assert b"12345678" not in content or path.suffix in (".mp4", ".png"), path


def test_a_space_is_not_sent_what_it_has(tmp_path, home, outward, monkeypatch):
    from ltx_core.training.trackers.trackio import _library
    from ltx_core.training.trackers.trackio import trackio as opening

    sent = []

    class Space:
        """Answers as a Space with this run does, up to its third step."""

        def __init__(self, *_, **__):
            pass

        def predict(self, *_, api_name, **arguments):
            if api_name == "/get_runs_for_project":
                return [{"id": "there", "name": "toy-run", "created_at": "2025-01-01"}]
            if api_name == "/get_run_summary":
                return {"run": "toy-run", "num_logs": 3, "last_step": 3 * (arguments["run_id"] == "there")}
            sent.extend(entry["step"] for entry in arguments.get("logs", ()) if api_name == "/bulk_log")
            return None

    library = _library(home)
    for module in (library, library.run):
        monkeypatch.setattr(module, "RemoteClient", Space)
    monkeypatch.setattr(library.run, "_get_default_namespace", lambda: None)
    monkeypatch.setattr(library.utils, "preprocess_space_and_dataset_ids", lambda *ids: ids)
    monkeypatch.setattr(library.deploy, "raise_if_space_is_frozen_for_logging", lambda _: None)
    monkeypatch.setattr(library.deploy, "create_space_if_not_exists", lambda *_: False)
    options = TrackioOptions(enabled=True, project="spaced", dir=home, space="me/space")
    rows = [{"step": step, "loss": 1.0} for step in range(1, 6)]
    feed = base.Feed(opening(tmp_path / "toy-run", options, {}), tmp_path, 5, rows, lambda *_, **__: None)
    feed.close()
    assert (feed.failed, sent) == ("", [4, 5])
    assert outward == []


def test_videos_stay_here_where_that_is_asked(tmp_path):
    tracking = Tracking(WandbOptions(enabled=True, mode="offline", log_validation_videos=False))
    folder = tmp_path / "toy-run"
    run(folder, steps=2, hooks=[Hook(sample(folder), every=2)], tracking=tracking)
    media = [path.name for path in folder.glob("wandb/offline-run-*/files/media/*/samples/*")]
    assert [name.split("_")[0] for name in media] == ["sheet"]


class Broken:
    """A tracker that takes one row, then fails as `how` says."""

    def __init__(self, how):
        self.held, self.how, self.rows = 0, how, 0

    def log(self, step, values, files):
        self.rows += 1
        if self.rows > 1:
            if self.how == "hangs":
                time.sleep(3600)
            raise ConnectionError("the server is gone")

    def close(self, finished):
        raise AssertionError("a tracker that failed is not called again")


@pytest.mark.parametrize("how", ["raises", "hangs"])
def test_a_tracker_that_fails_costs_no_training(tmp_path, monkeypatch, how):
    monkeypatch.setattr(
        "ltx_core.training.loop.openings", lambda *_, **__: [base.Opening("bad", lambda _: Broken(how))]
    )
    monkeypatch.setattr(base, "PATIENCE_S", 0.5)
    began = time.monotonic()
    outcome, model = run(tmp_path / "with", steps=12)
    assert outcome.step == 12
    assert time.monotonic() - began < 30
    (told,) = events(tmp_path / "with", "tracker")
    assert told["tracker"] == "bad"
    assert ("ConnectionError" in told["problem"]) == (how == "raises")
    assert ("did not end within" in told["problem"]) == (how == "hangs")
    monkeypatch.undo()
    _, plain = run(tmp_path / "without", steps=12)
    assert (model.layer.weight == plain.layer.weight).all()


def test_a_tracker_that_is_not_installed_is_named_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    outcome, _ = run(tmp_path, steps=2, tracking=Tracking(OFFLINE))
    assert outcome.step == 2
    (told,) = events(tmp_path, "tracker")
    assert "pip install 'ltx-flows[tracking]'" in told["problem"]


@pytest.mark.prove
def test_a_server_that_cannot_be_reached_costs_no_training(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("ltx_core.training.trackers.wandb.INIT_S", 3.0)
    outcome, _ = run(tmp_path, steps=3, tracking=Tracking(WandbOptions(enabled=True)))
    assert outcome.step == 3
    assert events(tmp_path, "tracker")[0]["tracker"] == "wandb"


PROGRAM = """
import sys
from pathlib import Path
from toy import run
from ltx_core.training.tracker_options import Tracking, WandbOptions
tracking = Tracking(WandbOptions(enabled=True, mode="offline"))
run(Path(sys.argv[1]), steps=40, interval=5, pause=float(sys.argv[2]), tracking=tracking)
"""


def services(parent):
    """Processes of W&B that serve a process of this id."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            state = path.with_name("stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if b"wandb" in words[0] and str(parent).encode() in words and state != "Z":
            found.append(path.parent.name)
    return found


@pytest.mark.prove
def test_killed_and_resumed_has_each_step_once_and_leaves_no_process(tmp_path):
    folder = tmp_path / "toy-run"
    paths = os.pathsep.join((str(ROOT), str(Path(__file__).parent)))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    process = subprocess.Popen([*command, "1.5"], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (services(process.pid) and list(folder.glob("wandb/offline-run-*/*.wandb"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2)
    process.kill()
    process.wait()
    while services(process.pid):
        assert time.monotonic() < deadline, "W&B's service outlived the training"
        time.sleep(0.1)
    subprocess.run([*command, "0"], env=environment, check=True, stderr=subprocess.DEVNULL)
    assert sorted(steps_of(folder)) == list(range(1, 41))
    assert len(list((folder / "wandb").glob("offline-run-*"))) == 2
