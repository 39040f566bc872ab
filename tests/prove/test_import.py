"""Prepared data comes into the store whole, through a kill and again, and is all that a run needs."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from pathlib import Path

import pytest
from cli import Clone, contents, finish, new_rows, rows, stage_lines, until
from public_layout import export

from ltx_core.stages.batches import Rows
from ltx_core.stages.dataset import load_samples
from ltx_core.training.log import read_measured, read_metrics

STEPS = 5
CONFIG = "configs/demo.yaml"
STAGES = {"imported", "text", "dataset", "train", "evaluate", "publish"}
SOURCE = (
    "dataset.source=/nowhere",
    "data.preprocessed_data_root=public",
    "dataset.holdout.seed=0",
    f"optimization.steps={STEPS}",
)


@pytest.fixture
def public(demo: Clone, tmp_path: Path) -> Clone:
    """A clone without footage; `public` in it holds the demo's dataset as the public trainer has one."""
    clone = Clone.make(tmp_path / "clone", "engine.chunk_rows=1", *SOURCE)
    shutil.rmtree(clone.footage)
    context = demo.pipeline().context
    found = Rows(context, load_samples(context)[1])
    names = {clip: f"films/{s.name.replace('.mp4 #', '_')}" for clip, s in found.samples.items()}
    export(found, clone.folder / "public", names)
    return clone


def parts(clone: Clone) -> int:
    return len(list((clone.workspace / "store" / "imported").glob("part-*.parquet")))


@pytest.mark.prove
def test_an_import_goes_on_after_a_kill_and_a_run_needs_nothing_else(public: Clone, tmp_path: Path):
    command = ("store", "import", "public", CONFIG)
    whole = Clone(tmp_path / "whole", public.overrides)
    shutil.copytree(public.folder, whole.folder)
    whole.ltx(*command)
    process = public.start(*command)
    until(lambda: parts(public) > 3)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = rows(public.workspace)
    assert 3 < len(before["imported"]) < len(rows(whole.workspace)["imported"])
    finish(public.start(*command))
    after = rows(public.workspace)
    new_rows(before, after)
    assert contents(after) == contents(rows(whole.workspace))
    finish(public.start(*command))
    assert rows(public.workspace) == after

    output = public.ltx("run", CONFIG)
    folder = public.run_folder()
    losses = [row["loss"] for row in read_metrics(folder)]
    assert len(losses) == STEPS and all(math.isfinite(loss) for loss in losses)
    measured = read_measured(folder)
    assert {"heldout_video", "heldout_audio"} <= measured.keys()
    assert {name for name in stage_lines(output) if (public.workspace / "store" / name).is_dir()} == STAGES
    summary = json.loads((folder / "evaluation.json").read_text())
    assert summary["verdict"] and list((folder / "samples" / "after").glob("*.mp4"))

    shutil.rmtree(public.folder / "public")
    again = public.ltx("run", CONFIG)
    lines = stage_lines(again)
    assert all(lines[name].startswith("cached") for name in STAGES), again
