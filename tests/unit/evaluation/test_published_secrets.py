"""Nothing that is published holds a secret, whoever wrote it; what cannot be rewritten is not published."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from ltx_core.evaluation.card import publish
from ltx_core.evaluation.card_facts import Best, CardFacts, Licensed, Shown
from ltx_core.evaluation.report import Bucket, DatasetFacts, ReportData
from ltx_core.evaluation.rows import LossRow
from ltx_core.evaluation.scrub import SecretError, held
from ltx_core.models.safetensors_file import file_metadata
from ltx_core.store.redact import Redactor, redactor

SECRET = 'open "sesame" & 42/+'
PLANTED = "see https://ada:swordfish@h/x?token=signature0, hf_0123456789abcdefABCD, /mnt/studio/films/a.mp4"
HIDDEN = (SECRET, "sesame", "swordfish", "signature0", "hf_0123", "/mnt/studio")
REPORT = ReportData(
    f"demo {SECRET}",
    "t2v",
    heldout=(LossRow("video", 0.5, 1.2, 4, "base"), LossRow("video", 0.5, 0.8, 4, "lora")),
    dataset=DatasetFacts(sources=3, buckets=(Bucket("64x64x9", 18, 6),)),
    config_yaml=f"name: x\napi_key: {SECRET}\nsource: /mnt/studio/films\n",
    lineage={"dataset": "d1", "url": PLANTED},
)
FACTS = CardFacts(
    base_model="Lightricks/LTX-2",
    license="My own, v1",
    base_license="LTX-2 Community",
    samples=(Shown("samples/01.mp4", f"a fox | <b> {SECRET}", 42),),
    training={"steps": 200, "optimizer type": "adamw"},
    rights=(
        Licensed("CC-BY-NC-4.0", 20, 41.5, ("https://cc/x",), ("Ada", "Ben"), (), ("non-commercial",)),
        Licensed("unknown", 4, 8.0),
    ),
    aside={"dark": 3, "static": 1},
    lineage={"dataset": "d1", "code": "1.2.3"},
    events=("interrupted: step 120", f"resumed: {PLANTED}"),
    layouts={"lora.safetensors": "the LoRA", "best/": "of step 150"},
    best=Best(150, 0.79, "weighted", True),
)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Redactor:
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    return redactor((), {"/mnt/studio": "…"})


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "trained.safetensors"
    strategy = json.dumps({"note": PLANTED, "key": SECRET})
    save_file({"a": torch.arange(7.0)}, path, {"trigger": SECRET, "strategy": strategy, "rank": "16"})
    return path


def test_no_file_of_the_folder_holds_what_was_planted(tmp_path: Path, weights: Path, secrets: Redactor):
    table = pa.Table.from_pylist(
        [{"name": PLANTED, "n": 1, "tags": [SECRET]}, {"name": None, "n": 2, "tags": []}]
    )
    pq.write_table(table, tmp_path / "t.parquet")
    files = {
        "report.html": f"<p>{PLANTED.replace('&', '&amp;')} open &quot;sesame&quot; &amp; 42/+</p>".encode(),
        "lineage/clips.parquet": tmp_path / "t.parquet",
        "best/lora.safetensors": weights,
        "merged": lambda path: (path.mkdir(), (path / "config.json").write_text(json.dumps({"x": PLANTED}))),
        "samples/01.mp4": b"\x00film",
    }
    folder = publish(tmp_path / "out", weights, {"trigger": SECRET}, REPORT, files, FACTS, secrets)
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(written) == 8 and held(folder, secrets) == []
    for path, content in written.items():
        text = content.decode("utf-8", "replace")
        text += str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else ""
        assert [one for one in HIDDEN if one in text] == [], path
    for name in ("lora.safetensors", "best/lora.safetensors"):
        assert torch.equal(load_file(folder / name)["a"], torch.arange(7.0))
        metadata = file_metadata(folder / name)
        assert (metadata["trigger"], metadata["rank"]) == ("***", "16")
        assert json.loads(metadata["strategy"])["key"] == "***"
    lineage = json.loads((folder / "lineage.json").read_text())
    assert lineage["lineage"]["url"] == "see https://***@h/x?token=*** ***, …/films/a.mp4"
    clips = pq.read_table(folder / "lineage" / "clips.parquet")
    assert clips.schema == table.schema and clips.column("tags").to_pylist() == [["***"], []]


def test_what_cannot_be_rewritten_is_not_published(tmp_path: Path, weights: Path, secrets: Redactor):
    film = b"\x00" * 20 + SECRET.encode() + b"\xff" * 20
    with pytest.raises(
        SecretError, match=r"01\.mp4 holds the value of the environment variable WANDB_API_KEY"
    ) as no:
        publish(tmp_path / "out", weights, {}, REPORT, {"samples/01.mp4": film}, FACTS, secrets)
    assert SECRET not in str(no.value)
    with pytest.raises(SecretError, match=r"the name of the file samples/\*\*\*\.mp4"):
        publish(
            tmp_path / "out",
            weights,
            {},
            REPORT,
            {"samples/hf_0123456789abcdefABCD.mp4": b""},
            FACTS,
            secrets,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trained.safetensors"]


def test_the_card_says_licences_samples_limits_and_the_best_step(tmp_path: Path, weights: Path):
    card = (publish(tmp_path / "out", weights, {}, REPORT, {}, FACTS) / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert (front["license"], front["license_name"]) == ("other", "my-own-v1")
    assert (front["base_model"], front["base_model_relation"]) == ("Lightricks/LTX-2", "adapter")
    assert front["widget"] == [{"text": f"a fox | <b> {SECRET}", "output": {"url": "samples/01.mp4"}}]
    for text in (
        "| CC-BY-NC-4.0 | 20 | 41.5 | Ada, Ben | not stated | https://cc/x |",
        "> 20 clips are non-commercial by their licence (CC-BY-NC-4.0)",
        "> no licence is stated for 4 clips",
        "The base model's files say: LTX-2 Community.",
        "was 0.790 (the sum weighted as in training) at step 150; its weights lie in `best/`",
        "Set aside by filters: dark 3, static 1.",
        "- interrupted: step 120",
        "It has seen 18 clips of 3 sources",
        "6 held-out clips are few",
        "| code | 1.2.3 |",
    ):
        assert text in card
    plain = (publish(tmp_path / "out", weights, {}, REPORT) / "README.md").read_text()
    assert yaml.safe_load(plain.split("---\n")[1])["license"] == "unknown"
    assert "Nothing is known of the licences of the data." in plain
