"""What exists is never computed again, and what would differ is never reused: through the command line."""

from __future__ import annotations

import html
import re
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli import (
    BEFORE_TRAINING,
    Clone,
    contents,
    environment,
    files,
    finish,
    new_rows,
    rows,
    stage_lines,
    start,
)

from data.make import shapes
from data.make.footage import Film, Shot, write_film
from ltx_core.config.load import dump
from ltx_core.evaluation.report_html import with_config
from ltx_core.stages.publication import secrets_of

AFTER_DATASET = {"dataset": 1, "train": 1, "evaluate": 1, "publish": 1}
CLIPS = 25
"""Usable clips of the demo's footage."""
SAY_IMPORTS = """
import sys
from flows.cli import main
try:
    main()
finally:
    print("imported:", [name for name in ("prefect", "torch") if name in sys.modules], flush=True)
"""


@pytest.mark.prove
def test_the_same_command_again_computes_nothing(demo: Clone):
    before, began = files(demo.workspace), time.monotonic()
    output = demo.ltx("run", "configs/demo.yaml")
    assert time.monotonic() - began < 15  # half a second on a quiet machine
    assert files(demo.workspace) == before
    stages = [*BEFORE_TRAINING, "train", "evaluate", "publish"]
    assert all(stage_lines(output)[stage].startswith("cached") for stage in stages), output
    assert output.splitlines()[-1].endswith("report.html")


@pytest.mark.prove
def test_the_report_says_what_was_left_out_and_why(demo: Clone):
    page = html.unescape(re.sub(r"<[^>]+>", " ", (demo.run_folder() / "report.html").read_text()))
    assert re.search(r"broken\.mp4 +sources +unreadable", page)
    assert re.search(r"blink\.mp4 #1 +clips +shorter than every bucket: \d < 9 frames", page)
    assert "2 clips have no sound: silent_film.mp4 #1, silent_film.mp4 #2" in page
    assert "add nothing to the audio loss" in page


@pytest.mark.prove
def test_a_cached_run_imports_neither_prefect_nor_torch(demo: Clone):
    command = [sys.executable, "-P", "-c", SAY_IMPORTS, "run", "configs/demo.yaml", *demo.overrides]
    output = finish(start(command, cwd=demo.folder, env=environment(demo.folder)))
    assert "imported: []" in output


@pytest.mark.prove
def test_one_caption_changed_is_one_embedding_and_what_depends_on_it(served: Clone):
    before, kept = rows(served.workspace), files(served.workspace)
    sidecar = served.footage / "morning.2.txt"
    sidecar.write_text("a red circle moves up on a teal background, low hum, striped style\n")
    served.ltx("run", "configs/demo.yaml")
    assert new_rows(before, rows(served.workspace)) == {"captions": 1, "text": 1} | AFTER_DATASET
    now = files(served.workspace)
    assert all(now[name] == kept[name] for name in kept if name.startswith(("store", "runs")))


@pytest.mark.prove
def test_what_another_run_has_replaced_is_not_taken_for_this_ones(
    served: Clone, monkeypatch: pytest.MonkeyPatch
):
    """A report and a published folder bear a name; another run or evaluation of that name replaces them."""
    published, run = served.workspace / "published" / "demo", served.run_folder()
    served.ltx("run", "configs/demo.yaml", "validation.heldout_levels=3")
    before, others = rows(served.workspace), (run / "report.html").read_bytes()
    output = served.ltx("run", "configs/demo.yaml")
    assert stage_lines(output)["train"].startswith("cached")
    assert contents(rows(served.workspace)) == contents(before), "every row was there, only files were not"
    assert (run / "report.html").read_bytes() != others
    assert (published / "lora.safetensors").read_bytes() == (run / "lora.safetensors").read_bytes()
    told, shown = (run / "report.html").read_text(), (published / "report.html").read_text()
    with monkeypatch.context() as as_the_run:  # who stays there is taken for a process of the run
        as_the_run.chdir(served.folder)
        as_the_run.setenv("HOME", str(served.folder))
        config = served.pipeline().config
        hidden = secrets_of(config).text(with_config(told, dump(config)))
    assert shown == hidden, "it is this report with this config, without paths"
    assert str(served.folder) not in shown
    assert stage_lines(served.ltx("run", "configs/demo.yaml"))["publish"].startswith("cached")


@pytest.mark.prove
def test_one_clip_added_is_one_row_per_stage(served: Clone):
    before = rows(served.workspace)
    scene = shapes.Scene("green", "square", "moves left", "dark", "striped")
    take = shapes.draw_take(scene, np.random.default_rng(9))
    write_film(served.footage / "extra.mp4", Film("extra", 1, 192, 192, 48000, ()), [Shot(take, 40)])
    served.ltx("stage", "dataset", "configs/demo.yaml")
    assert new_rows(before, rows(served.workspace)) == dict.fromkeys(BEFORE_TRAINING, 1)


@pytest.mark.prove
def test_canny_thresholds_change_references_and_what_follows(served: Clone):
    before = rows(served.workspace)
    served.ltx("stage", "train", "configs/v2v_ic_lora.yaml")
    referenced = rows(served.workspace)
    counts = {"references": CLIPS, "reference_latents": CLIPS, "dataset": 1, "train": 1}
    assert new_rows(before, referenced) == counts
    lower = ("dataset.references.low=30", "dataset.references.high=60")
    served.ltx("stage", "train", "configs/v2v_ic_lora.yaml", *lower)
    fresh = new_rows(referenced, rows(served.workspace))
    assert 0 < fresh.pop("reference_latents") <= CLIPS  # where the edges are the same, so are the latents
    assert fresh == {"references": CLIPS, "dataset": 1, "train": 1}


@pytest.mark.prove
def test_footage_in_another_place_is_the_same_footage(fork: Clone):
    before = files(fork.workspace)
    moved = fork.folder / "elsewhere" / "my films"
    moved.parent.mkdir()
    shutil.move(fork.footage, moved)
    output = fork.ltx("run", "configs/demo.yaml", f"dataset.source={moved}")
    assert files(fork.workspace) == before
    assert stage_lines(output)["publish"].startswith("cached")


@pytest.mark.prove
def test_two_clones_agree_on_every_key_and_content(demo: Clone, tmp_path: Path):
    clone = Clone.make(tmp_path / "a second clone")
    clone.ltx("stage", "dataset", "configs/demo.yaml")
    here, there = contents(rows(demo.workspace)), contents(rows(clone.workspace))
    assert {stage: here[stage] for stage in BEFORE_TRAINING} == there
    (ours,), (theirs,) = (one.pipeline().context.items("train") for one in (demo, clone))
    assert ours.key == theirs.key
