"""The clip pass: frames are decoded once for all stages that are made of them, whatever fits into memory."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from ltx_core.config.load import load
from ltx_core.errors import LtxError
from ltx_core.run import Pipeline
from ltx_core.stages import compute, models
from ltx_core.stages.clips import all_clips

ROOT = Path(__file__).parents[3]
CONDITIONS = "[{type: reference}, {type: mask, mask_dir: video_masks}]"
MODE = f"training_strategy={{video: {{conditions: {CONDITIONS}}}, audio: {{}}}}"
MOVING = "dataset.masks={kind: moving, grow: 16}"
SKETCH = "dataset.references.kind=sketch"
TOGETHER = ("captions", "references", "masks", "latents")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    shutil.copy(ROOT / "data" / "footage" / "silent_film.mp4", folder)
    shutil.copy(ROOT / "data" / "footage" / "wide.mp4", folder)
    return folder


def opened(workspace: Path, films: Path, *more: str) -> Pipeline:
    settings = [f"workspace={workspace}", f"dataset.source={films}", "engine.threads=1", MODE, *more]
    return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))


def prepared(pipeline: Pipeline, together: bool) -> dict[str, int]:
    """Everything up to the dataset; rows that each stage computed in its own turn."""
    stages, own = pipeline.stages("dataset"), {}
    for stage in stages:
        chunks = pipeline.plan(stage).chunks
        along = stages if together else ()
        own[stage] = sum(pipeline.compute(stage, chunk, along)["rows"] for chunk in chunks)
    return own


def contents(pipeline: Pipeline) -> dict[str, list[tuple[str, str]]]:
    stages = pipeline.stages("dataset")
    pipeline.context.refresh()
    return {s: sorted((r.row_key, r.content_digest) for _, r in pipeline.context.results(s)) for s in stages}


def test_frames_are_decoded_once_for_all_stages(films, tmp_path, monkeypatch):
    read: Counter[str] = Counter()
    real = models.read_frames

    def counted(path, indices, *rest):
        read[f"{path} {indices[0]}"] += 1
        return real(path, indices, *rest)

    monkeypatch.setattr(models, "read_frames", counted)
    monkeypatch.setattr(models, "FRAME_CACHE_BYTES", 3 * 64 * 64 * 9)  # one clip
    pipeline = opened(tmp_path / "together", films, SKETCH, MOVING)
    own = prepared(pipeline, together=True)
    clips = all_clips(pipeline.context)
    assert len(clips) > 3 and set(read.values()) == {1} and len(read) == len(clips)
    assert own["captions"] == len(clips) and not own["references"] and not own["masks"] and not own["latents"]
    apart = opened(tmp_path / "apart", films, SKETCH, MOVING)
    read.clear()
    own = prepared(apart, together=False)
    assert own["latents"] == own["references"] == own["masks"] == len(clips)
    assert set(read.values()) == {len(TOGETHER)}, "each stage by itself, with room for one clip"
    assert contents(apart) == contents(pipeline)


def test_what_goes_along_misses_nothing_and_does_nothing_twice(films, tmp_path):
    pipeline = opened(tmp_path, films)
    for stage in ("sources", "scenes", "clips", "scores"):
        for chunk in pipeline.plan(stage).chunks:
            pipeline.compute(stage, chunk)
    (chunk,) = pipeline.plan("captions").chunks
    found = pipeline.compute("captions", chunk, pipeline.stages("dataset"))
    assert found["along"] == {"references": len(chunk), "latents": len(chunk)}, "drawn masks need no frames"
    assert pipeline.plan("latents").missing == pipeline.plan("references").missing == 0
    assert pipeline.compute("captions", chunk, pipeline.stages("dataset"))["rows"] == 0
    assert len(pipeline.context.store.rows("latents")) == len(chunk)


def test_large_and_old_rows_are_committed_before_the_chunk_ends(films, tmp_path, monkeypatch):
    pipeline = opened(tmp_path, films)
    for stage in ("sources", "scenes", "clips", "scores"):
        for chunk in pipeline.plan(stage).chunks:
            pipeline.compute(stage, chunk)
    monkeypatch.setattr(compute, "PART_BYTES", 1)
    (chunk,) = pipeline.plan("latents").chunks
    assert pipeline.compute("latents", chunk)["rows"] == len(chunk)
    parts = {row.part for row in pipeline.context.store.rows("latents")}
    assert len(parts) == len(chunk)


def test_a_film_that_comes_during_a_run_is_a_message(films, tmp_path):
    folder = tmp_path / "films"
    shutil.copytree(films, folder)
    flow = opened(tmp_path / "workspace", folder)
    for chunk in flow.plan("sources").chunks:
        flow.compute("sources", chunk)
    (chunk,) = flow.plan("scenes").chunks
    shutil.copy(ROOT / "data" / "footage" / "evening.mp4", folder)
    worker = opened(tmp_path / "workspace", folder)
    with pytest.raises(LtxError, match="a film or a caption was added or changed since the run began"):
        worker.compute("scenes", chunk)
