"""The published folder: whole or not at all, and only over one of ours."""

from __future__ import annotations

import ast
import json
import re
import resource
from pathlib import Path

import pytest
import yaml

from ltx_core.errors import StoreError
from ltx_core.evaluation.card import PublishError, publish
from ltx_core.evaluation.report import Bucket, DatasetFacts, ReportData
from ltx_core.evaluation.rows import LOSS, Effect, LossRow

TRIGGER = 'striped "style" | ```\nrm & <b> 🎬'
METADATA = {"base_model": "a/base: 'model'", "rank": 16, "alpha": 16, "trigger": TRIGGER, "step": 150}
REPORT = ReportData(
    "demo",
    "t2v",
    heldout=(LossRow("video", 0.5, 1.2, 4, "base"), LossRow("video", 0.5, 0.8, 4, "lora")),
    dataset=DatasetFacts(buckets=(Bucket("64x64x9", 18, 6),), caption_sources={"sidecar": 24}),
    model={"learning rate": 1e-3},
    config_yaml="lora:\n  rank: 16\n",
)


def weights(folder: Path, content: bytes = b"weights") -> Path:
    path = folder / "trained.safetensors"
    path.write_bytes(content)
    return path


def test_a_published_folder_holds_weights_card_lineage_and_files(tmp_path):
    report_file = tmp_path / "r.html"
    report_file.write_text("<!DOCTYPE html>")
    files = {"report.html": report_file, "samples/after.mp4": b"mp4"}
    folder = publish(tmp_path / "deep" / "product", weights(tmp_path), METADATA, REPORT, files)
    found = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert found == ["README.md", "lineage.json", "lora.safetensors", "report.html", "samples/after.mp4"]
    lineage = json.loads((folder / "lineage.json").read_text())
    assert lineage["weights"]["trigger"] == TRIGGER
    assert lineage["dataset"] == {"train": 18, "held_out": 6, "rejected": 0}
    assert lineage["config"] == "lora:\n  rank: 16\n"
    assert [p.name for p in folder.parent.iterdir()] == ["product"]


def test_the_card_is_valid_whatever_the_trigger_holds(tmp_path):
    card = (publish(tmp_path / "p", weights(tmp_path), METADATA, REPORT) / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["instance_prompt"] == TRIGGER and front["base_model"] == "a/base: 'model'"
    (code,) = re.findall(r"```python\n(.*?)\n```\n", card, re.DOTALL)
    ast.parse(code)
    assert "LTX2Pipeline.from_pretrained" in code and "load_lora_weights" in code
    assert "ComfyUI" in card and "fell from 1.200 to 0.800" in card
    assert "<b>" not in re.sub(r"^(```|---).*?^(```|---)", "", card, flags=re.DOTALL | re.MULTILINE)
    assert "conditioned tokens" not in card


def test_a_lokr_is_for_comfyui_alone(tmp_path):
    metadata = METADATA | {"adapter_options": json.dumps({"kind": "lokr", "factor": 8})}
    card = (publish(tmp_path / "p", weights(tmp_path), metadata, REPORT) / "README.md").read_text()
    assert "LoraLoaderModelOnly" in card and "Strength 1" in card
    for word in ("diffusers", "load_lora_weights", "set_adapters", "```python"):
        assert word not in card, word


def test_a_mode_with_a_reference_points_to_our_sampler(tmp_path):
    rows = (Effect("video.reference", LOSS, 0.4, 0.8, None, 0.7),)
    report = ReportData("demo", "v2v_ic", influence=rows)
    card = (publish(tmp_path / "p", weights(tmp_path), {}, report) / "README.md").read_text()
    assert "ltx sample CONFIG" in card and "The samples follow the reference (video)" in card
    assert "video-to-video" in card


def test_a_mode_of_sound_alone_says_so(tmp_path):
    card = (
        publish(tmp_path / "p", weights(tmp_path), {}, ReportData("demo", "t2a")) / "README.md"
    ).read_text()
    assert "trained on sound alone" in card and "pipeline_tag: text-to-audio" in card


def test_an_older_one_is_replaced_and_a_foreign_folder_is_left(tmp_path):
    folder = tmp_path / "product"
    publish(folder, weights(tmp_path, b"one"), METADATA, REPORT, {"old.txt": b"old"})
    publish(folder, weights(tmp_path, b"two"), METADATA, REPORT)
    assert (folder / "lora.safetensors").read_bytes() == b"two"
    assert not (folder / "old.txt").exists()
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "chapter.txt").write_text("years of work")
    with pytest.raises(PublishError, match=r"no lineage\.json"):
        publish(mine, weights(tmp_path), METADATA, REPORT)
    assert (mine / "chapter.txt").read_text() == "years of work"


def test_a_failure_keeps_the_old_one_and_a_kill_between_renames_is_mended(tmp_path):
    folder = tmp_path / "product"
    publish(folder, weights(tmp_path, b"one"), METADATA, REPORT)
    with pytest.raises(PublishError, match="no weights at"):
        publish(folder, tmp_path / "none.safetensors", METADATA, REPORT)
    with pytest.raises(PublishError, match=r"should become 'gone\.html'"):
        publish(folder, weights(tmp_path), METADATA, REPORT, {"gone.html": tmp_path / "gone.html"})
    large = weights(tmp_path, b"x" * 300_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(StoreError, match="file-size limit"):
            publish(folder, large, METADATA, REPORT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert (folder / "lora.safetensors").read_bytes() == b"one"
    folder.rename(tmp_path / ".product.old")
    (tmp_path / ".product.new-0123").mkdir()
    publish(folder, weights(tmp_path, b"three"), METADATA, REPORT)
    assert (folder / "lora.safetensors").read_bytes() == b"three"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["product", "trained.safetensors"]


def test_a_file_cannot_leave_the_folder(tmp_path):
    for name in ("../x", "/x", "README.md"):
        with pytest.raises(PublishError, match="another relative path"):
            publish(tmp_path / "p", weights(tmp_path), METADATA, REPORT, {name: b""})


def test_a_whole_transformer_is_loaded_as_one(tmp_path):
    whole = tmp_path / "transformer"
    whole.mkdir()
    (whole / "config.json").write_text("{}")
    folder = publish(tmp_path / "p", whole, {**METADATA, "training_mode": "full"}, REPORT)
    assert (folder / "transformer" / "config.json").is_file() and not (folder / "lora.safetensors").exists()
    card = (folder / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)\n```\n", card, re.DOTALL)
    ast.parse(code)
    assert 'subfolder="transformer"' in code and "load_lora_weights" not in card and "ComfyUI" not in card
    assert "lora" not in yaml.safe_load(card.split("---\n")[1])["tags"]
