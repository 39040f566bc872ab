"""`ltx store gc` leaves what an interrupted preparation has computed."""

from __future__ import annotations

import os
import time

import numpy as np
import picture_files
from typer.testing import CliRunner

from flows._cli_store import store_app
from ltx_core.config.load import dump
from ltx_core.media.write import write_video
from ltx_core.stages.base import Item, pending
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, StageMeta


def aged(folder):
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2)


def collected(config, *options):
    found = CliRunner().invoke(store_app, ["gc", str(config), *options], catch_exceptions=False)
    return found.output.split("\n"), found.exit_code


def test_rows_of_an_interrupted_preparation_stay_and_others_go(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    noise = np.random.default_rng(1).integers(0, 255, (1, 64, 64, 3), np.uint8)
    write_video(folder / "film.mp4", np.repeat(noise, 18, 0), 8.0)
    pipe = picture_files.pipeline(tmp_path / "ws", folder, "", "dataset.buckets=[64x64x9]")
    config = tmp_path / "config.yaml"
    config.write_text(dump(pipe.config))
    picture_files.prepare(pipe, "scores")
    context, store = pipe.context, pipe.context.store
    stage, items = pipe.registry["latents"], pipe.context.items("latents")
    assert len(items) == 2
    (named,) = store.write(stage.meta(context), [pending(items[0])])
    (stale,) = store.write(stage.meta(context), [pending(Item(digest("stale"), "", "stale"))])
    (waits,) = store.write(StageMeta("text", 1), [PendingRow(digest("text"), "")])  # captions are missing
    store.write(StageMeta("dataset", 1), [PendingRow(digest("another config's"), "")])
    aged(store.root)
    said, code = collected(config)
    assert (said, code) == ([f"latents/{stale.part}", "1 parts removed", ""], 0)
    context.refresh()
    assert set(store.lookup("latents", [named.row_key, stale.row_key])) == {named.row_key}
    assert store.lookup("text", [waits.row_key])

    (folder / "film.mp4").unlink()
    said, code = collected(config, "--dry-run")
    assert said[0].startswith("note: rows that only this config needs are not known") and code == 0
