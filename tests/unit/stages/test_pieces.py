"""Latents that are made in pieces: rows of their own, next to equal; what is not cut keeps its rows."""

from __future__ import annotations

import shutil
from pathlib import Path

from ltx_core.config.load import load
from ltx_core.run import Pipeline

ROOT = Path(__file__).parents[3]


def encoded(workspace, source, *overrides):
    """A pipeline whose latents are there, and how many of them were computed now."""
    settings = [f"workspace={workspace}", f"dataset.source={source}", "engine.threads=1", *overrides]
    pipe = Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))
    computed = {}
    for stage in pipe.stages("latents"):
        computed[stage] = sum(pipe.compute(stage, chunk)["rows"] for chunk in pipe.plan(stage).chunks)
    pipe.context.refresh()
    return pipe, computed["latents"]


def test_only_clips_that_are_cut_get_rows_of_their_own(tmp_path):
    source = tmp_path / "footage"
    source.mkdir()
    shutil.copy(ROOT / "data" / "footage" / "wide.mp4", source)
    whole, count = encoded(tmp_path, source)
    assert count > 0
    assert encoded(tmp_path, source, "acceleration.vae_tiling=never")[1] == 0
    pieces, again = encoded(tmp_path, source, "acceleration.vae_tiling=always")
    assert again == count
    rows, cut = (pipe.context.by_clip("latents") for pipe in (whole, pieces))
    assert {row.row_key for row in rows.values()}.isdisjoint(row.row_key for row in cut.values())
    for clip, row in rows.items():
        once = whole.context.store.read(row)["latents"].float()
        difference = pieces.context.store.read(cut[clip])["latents"].float() - once
        assert difference.abs().max() < 0.02  # a step of bfloat16 at most
