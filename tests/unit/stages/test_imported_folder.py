"""Which folders are taken for prepared data, what is found in them, and what a run needs beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from ltx_core.config.load import build, load
from ltx_core.config.preflight import preflight
from ltx_core.errors import ConfigError, LtxError
from ltx_core.run import Pipeline, import_prepared
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.imported_folder import natural, source_of
from ltx_core.store.store import Store

ROOT = Path(__file__).parents[3]
STRATEGY = (
    "training_strategy={video: {latents_dir: clips/small, conditions: [{type: mask, mask_dir: holes}]}}"
)
NAMES = ("a/film_1", "a/film_2", "a/film_10", "b/other")


def config(workspace, root, *overrides):
    settings = (f"workspace={workspace}", f"data.preprocessed_data_root={root}", "dataset.source=/nowhere")
    return load(ROOT / "configs" / "t2v_lora.yaml", [*settings, "engine.threads=1", *overrides], ROOT)


def prepare(found, until="dataset"):
    pipe = Pipeline(found)
    for stage in pipe.stages(until):
        for chunk in pipe.plan(stage).chunks:
            pipe.compute(stage, chunk)
    pipe.context.refresh()
    return pipe


@pytest.fixture
def root(tmp_path):
    """Prepared data of a mode with names of its own, and folders that nobody asks for."""
    contents = {
        "clips/small": lambda n: {"latents": torch.full((32, 2, 2, 2), float(n)), "fps": torch.tensor(12.0)},
        "conditions": lambda n: {
            "prompt_embeds": torch.ones(16, 64),
            "prompt_attention_mask": torch.ones(16),
        },
        "holes": lambda n: torch.full((2, 2, 2), 255, dtype=torch.uint8),
        "audio_latents": lambda n: {"latents": torch.full((4, 5 + n, 4), 0.5)},
        "notes": lambda n: "nothing",
    }
    for column, make in contents.items():
        for number, name in enumerate(NAMES):
            path = tmp_path / "data" / ".precomputed" / column / f"{name}.pt"
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(make(number), path)
    holes = tmp_path / "data" / ".precomputed" / "holes"
    for name in NAMES[1:]:
        shutil.copy(holes / f"{NAMES[0]}.pt", holes / f"{name}.pt")
    return tmp_path / "data"


def test_folders_of_any_name_are_columns_where_the_mode_names_them(root, tmp_path):
    pipe = prepare(config(tmp_path / "ws", root, STRATEGY))
    _, samples = load_samples(pipe.context)
    assert [sample.name for sample in samples] == list(NAMES)
    assert {(s.bucket, s.fps, s.duration, s.source) for s in samples} == {
        ("32x32x5", 12.0, 5 / 12, source) for source in ("a/film", "b/other")
    }
    rows = pipe.context.store.rows("imported")
    assert len(rows) == 4 + 4 + 1  # the masks are copies of one file
    (mask,) = (row for row in rows if row.columns["kind"] == "video_mask")
    assert bool((pipe.context.store.read(mask)["mask"] == 1).all())


def test_sound_alone_is_batched_by_its_own_length(root, tmp_path):
    pipe = prepare(config(tmp_path / "ws", root, "training_strategy={audio: {}}"))
    _, samples = load_samples(pipe.context)
    assert [sample.bucket for sample in samples] == ["0.5s", "0.6s", "0.7s", "0.8s"]
    assert len({sample.shape for sample in samples}) == len(samples)


def test_the_command_takes_every_column_and_again_costs_nothing(root, tmp_path, monkeypatch):
    (root / ".precomputed" / "holes" / "b" / "other.pt").write_bytes(b"torn")
    found = import_prepared(config(tmp_path / "ws", root, STRATEGY, "engine.chunk_rows=2"), lambda *_: None)
    counts = {column: counts for column, *counts in found["columns"]}
    assert counts == {
        "audio_latents": [4, 4, 0],
        "clips/small": [4, 4, 0],
        "conditions": [4, 4, 0],
        "holes": [4, 3, 1],
    }
    assert found["unknown"] == ["notes"]
    assert found["rejected"] == [("holes/b/other.pt", "damaged, or not written by torch.save (IndexError)")]
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("a file was read again"))
    assert import_prepared(config(tmp_path / "ws", root, STRATEGY), lambda *_: None) == found


def test_what_was_imported_does_without_its_files(root, tmp_path):
    before = prepare(config(tmp_path / "ws", root, STRATEGY), "imported").plan("imported")
    shutil.rmtree(root / ".precomputed")
    pipe = prepare(config(tmp_path / "ws", root, STRATEGY))
    assert pipe.plan("imported") == before and len(load_samples(pipe.context)[1]) == len(NAMES)
    with pytest.raises(LtxError, match=r"no folder 'latents', which the mode reads; it holds nothing"):
        prepare(config(tmp_path / "ws", root))
    with pytest.raises(LtxError, match=r"holes/a/film_1\.pt: unreadable.*not imported yet: put it back"):
        prepare(config(tmp_path / "ws", root, STRATEGY, "dataset.mask_threshold=0.5"))


def test_a_file_that_changes_is_imported_anew_and_alone(root, tmp_path):
    prepare(config(tmp_path / "ws", root, STRATEGY), "imported")
    path = root / ".precomputed" / "clips" / "small" / "a" / "film_2.pt"
    torch.save({"latents": torch.zeros(32, 2, 2, 2)}, path)
    assert Pipeline(config(tmp_path / "ws", root, STRATEGY)).plan("imported").missing == 1


@pytest.mark.parametrize("inner", ["", "films"])
def test_a_folder_without_prepared_data_is_refused_with_what_it_holds(inner, tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.mp4").touch()
    held = "a.mp4" if inner else "films/"
    with pytest.raises(
        ConfigError, match=rf"holds no data prepared .*: it holds {held}\. Give its \.precomputed"
    ):
        import_prepared(config(tmp_path / "ws", tmp_path / inner), lambda *_: None)
    assert not Store(tmp_path / "ws" / "store").rows("imported")


@pytest.mark.parametrize("name", ["../latents", "/latents", "conditions"])
def test_a_column_is_a_folder_inside(name, tmp_path):
    raw = {"data": {"preprocessed_data_root": "x"}, "training_strategy": {"video": {"latents_dir": name}}}
    with pytest.raises(ConfigError, match=r"training_strategy: .* cannot be a folder of"):
        build(raw, tmp_path, "test.yaml")


def test_a_model_without_text_encoder_serves_where_no_text_is_encoded(root, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(ROOT / "data" / "model", model, ignore=shutil.ignore_patterns("text_encoder"))
    settings = (STRATEGY, f"model.model_path={model}")
    failed = {c.name: c.detail for c in preflight(config(tmp_path / "ws", root, *settings)) if not c.ok}
    assert list(failed) == ["model"] and "optimization.caption_dropout: 0" in failed["model"]
    assert "has no text_encoder" in failed["model"] and "validation.video_cfg_scale: 1" in failed["model"]
    settings += ("optimization.caption_dropout=0", "validation.video_cfg_scale=1")
    found = config(tmp_path / "ws", root, *settings)
    assert [check.detail for check in preflight(found) if not check.ok] == []
    assert prepare(found).plan("text").total == 0


def test_names_say_what_belongs_together():
    assert sorted(["film_10", "film_9", "a10"], key=natural) == ["a10", "film_9", "film_10"]
    cases = {
        "a/film_003": "a/film",
        "film#2": "film",
        "x-Scene-01": "x-Scene",
        "film": "film",
        "2024": "2024",
    }
    assert {name: source_of(name) for name in cases} == cases
