"""The stages publish and push: when they are made anew, what is pushed where, and the command by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hub_server import TOKEN, Hub, hub_server
from safetensors.torch import save_file
from typer.testing import CliRunner

from flows.cli import app
from ltx_core.config.load import load
from ltx_core.config.public import notices, refusals
from ltx_core.config.root import Config
from ltx_core.errors import ConfigError, LtxError
from ltx_core.evaluation.card import publish
from ltx_core.evaluation.card_facts import BEST_FOLDER, LINEAGE_FOLDER
from ltx_core.evaluation.report import ReportData
from ltx_core.models.hub_owned import OWN_NAMES, SIGN
from ltx_core.run import Pipeline
from ltx_core.stages.export import PUBLISHED
from ltx_core.stages.folder import FULL_WEIGHTS, LINEAGE, LORA, PRODUCTS
from ltx_core.stages.publication import best_of, hub_base, secrets_of, weights_in_forms
from ltx_core.stages.publish import Publish
from ltx_core.stages.push import Push
from ltx_core.stages.push_source import resolve
from ltx_core.stages.samples import SHEET
from ltx_core.stages.train import tracking_of
from ltx_core.store.rows import Row

ROOT = Path(__file__).parents[3]
LICENSES = [{"license": "CC-BY-NC-4.0", "clips": 3, "seconds": 4.5, "limits": ["non-commercial"]}]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub_server() as running:
        yield running


def config(tmp_path: Path, *overrides: str) -> Config:
    settings = [f"workspace={tmp_path}", *overrides]
    return load(ROOT / "configs" / "demo.yaml", settings, ROOT)


def asked(tmp_path: Path, hub: Hub, *overrides: str) -> Config:
    wishes = ("hub.push_to_hub=true", "hub.hub_model_id=me/foxes", f"hub.endpoint={hub.endpoint}")
    return config(tmp_path, *wishes, *overrides)


def row(stage: str, key: str, **columns: Any) -> Row:
    return Row(key, "", stage, 1, "ok", "", (), f"content of {key}", "", "", "", (), (), "", columns)


def context(found: Config, **rows: Row) -> Any:
    """What a stage sees: its config, and the one row of each stage before."""
    return SimpleNamespace(
        config=found, results=lambda stage: [(None, rows[stage])], memo=lambda key, make: make(), info=None
    )


def published(tmp_path: Path, key: str) -> Path:
    """A published folder of the row `key`, of the run `demo-1`."""
    save_file({"a": torch.ones(3)}, tmp_path / "w.safetensors", {"rank": "1"})
    lineage = {"published": key, "folder": "demo-1", "licenses": LICENSES}
    files = {"config.yaml": b"{}", "samples/01.mp4": b"x" * 2000}
    report = ReportData("demo", "t2v", lineage=lineage)
    return publish(tmp_path / "published" / "demo", tmp_path / "w.safetensors", {}, report, files)


def test_a_run_has_the_stage_only_where_it_is_asked_for(tmp_path: Path):
    assert Pipeline(config(tmp_path)).stages()[-1] == "publish"
    wished = config(tmp_path, "hub.push_to_hub=true", "hub.hub_model_id=me/foxes")
    assert Pipeline(wished).stages()[-2:] == ["publish", "push"]


def test_it_is_pushed_once_and_again_when_another_was(
    tmp_path: Path, hub: Hub, caplog: pytest.LogCaptureFixture
):
    stage, folder = Push(), published(tmp_path, "p1")
    first = context(asked(tmp_path, hub), publish=row("publish", "p1", folder="published/demo"))
    (item,) = stage.items(first)
    (made,) = stage.compute(first, [item])
    assert "3 clips are non-commercial by their licence" in caplog.text
    assert hub.files("me/foxes").keys() == {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    }
    assert made.columns["commit"] == hub.repositories["me/foxes"].sha
    kept = row("push", item.key)
    assert stage.valid(first, kept) and stage.items(first) == [item]
    seen = context(asked(tmp_path, hub, "hub.private=true"), publish=first.results("publish")[0][1])
    assert stage.items(seen)[0].key == item.key, "who sees it is no part of what is pushed"
    second = context(first.config, publish=row("publish", "p2", folder="published/demo"))
    (other,) = stage.items(second)
    elsewhere = context(asked(tmp_path, hub, "hub.revision=v2"), publish=row("publish", "p1"))
    assert len({item.key, other.key, stage.items(elsewhere)[0].key}) == 3
    list(stage.compute(second, [other]))
    assert not stage.valid(first, kept) and stage.valid(second, row("push", other.key))
    assert stage.valid(elsewhere, row("push", "any"))


def test_a_publication_is_made_anew_for_another_evaluation_best_step_licence_or_form(tmp_path: Path):
    (tmp_path / "runs" / "demo-1").mkdir(parents=True)
    evaluated = row("evaluate", "e1", run="runs/demo-1", report="report.html")
    data = row("dataset", "d1")

    def key(found: Config, of: Row = data, measured: Row = evaluated) -> str:
        return Publish().items(context(found, evaluate=measured, dataset=of))[0].key

    plain = key(config(tmp_path))
    assert (
        key(config(tmp_path)) == plain == key(config(tmp_path, "hub.private=true", "hub.endpoint=http://h"))
    )
    keys = [
        key(config(tmp_path, "hub.license=mit")),
        key(config(tmp_path), measured=replace(evaluated, row_key="of other prompts, with equal losses")),
        key(config(tmp_path, "checkpoints.formats=[diffusers]")),
        key(config(tmp_path), replace(data, columns={"rights": '{"s": {"license": "mit"}}'})),
        key(config(tmp_path), replace(data, columns={"rights": '{"s": {"license": "cc0-1.0"}}'})),
    ]
    best = {"step": 4, "value": 0.5, "metric": "weighted", "checkpoint": None}
    (tmp_path / "runs" / "demo-1" / "best.json").write_text(json.dumps(best))
    assert len({plain, *keys, key(config(tmp_path))}) == 7


def test_the_best_step_is_published_where_it_is_another(tmp_path: Path):
    found, run = config(tmp_path), tmp_path / "runs" / "demo-1"
    kept = run / "checkpoints" / "step_000004"
    kept.mkdir(parents=True)
    save_file({"a": torch.ones(3)}, run / "lora.safetensors")
    assert best_of(found, run) is None
    facts = {"step": 4, "value": 0.5, "metric": "weighted", "checkpoint": "checkpoints/step_000004"}
    (run / "best.json").write_text(json.dumps(facts))
    assert best_of(found, run) is None, "its weights are not there"
    save_file({"a": torch.ones(3)}, kept / "lora.safetensors")
    same = best_of(found, run)
    assert same is not None and not same.differs
    assert weights_in_forms(context(found), run / "lora.safetensors", same) == {}
    save_file({"a": torch.zeros(3)}, kept / "lora.safetensors")
    best, forms = best_of(found, run), config(tmp_path, "checkpoints.formats=[diffusers]")
    files = weights_in_forms(context(forms), run / "lora.safetensors", best)
    assert best is not None and best.differs
    names = {
        "pytorch_lora_weights.safetensors",
        "best/lora.safetensors",
        "best/pytorch_lora_weights.safetensors",
    }
    assert files.keys() == names and files["best/lora.safetensors"] == kept / "lora.safetensors"


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ("hub.hub_model_id=hf_0123456789abcdefABCD", "holds a token; take it out and set HF_TOKEN"),
        ("hub.endpoint=https://ada:secret@hub", "holds a user, a password or a query"),
        ("hub.endpoint=hub.example", "is no address"),
        ("hub.token=hf_0123456789abcdefABCD", "unknown key"),
    ],
)
def test_a_config_holds_no_token(tmp_path: Path, wish: str, says: str):
    with pytest.raises(ConfigError, match=says):
        config(tmp_path, wish)


def test_what_cannot_be_pushed_is_refused_and_what_will_be_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "x")
    (refused,) = refusals(config(tmp_path, "hub.push_to_hub=true"))
    assert "hub.hub_model_id says no repository" in refused
    (refused,) = refusals(config(tmp_path, "hub.push_to_hub=true", "hub.hub_model_id=foxes"))
    assert "'foxes' is no name of a repository" in refused
    source = '[{"path": "data/footage", "license": "CC-BY-ND-4.0"}]'
    wishes = ("hub.push_to_hub=true", "hub.hub_model_id=me/foxes", "hub.private=true")
    told, licence = notices(config(tmp_path, *wishes, f"dataset.source={source}"))
    assert (
        f"{tmp_path}/published/demo is pushed to me/foxes at " in told and "private where it is made" in told
    )
    assert "footage is no derivatives by its licence (CC-BY-ND-4.0)" in licence
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert "no token is known here yet" in notices(config(tmp_path, *wishes))[0]


def test_the_command_lists_first_and_pushes_what_is_published(tmp_path: Path, hub: Hub):
    folder, run = published(tmp_path, "p1"), tmp_path / "runs" / "demo-1"
    run.mkdir(parents=True)
    settings = f"name: demo\nworkspace: {tmp_path}\nhub: {{endpoint: '{hub.endpoint}'}}\n"
    (run / "config.yaml").write_text(settings)
    (folder / "config.yaml").write_text(settings.replace(str(tmp_path), "workspace"))
    command = ["push", str(run), "--to", "me/foxes", "--private"]
    dry = CliRunner().invoke(app, [*command, "--dry-run"])
    assert "samples/01.mp4" in dry.output and "2.0 KiB" in dry.output and "nothing was sent" in dry.output
    assert "3 clips are non-commercial" in dry.output and hub.requests == []
    assert "/me/foxes: pushed, commit " in CliRunner().invoke(app, command).output
    assert hub.repositories["me/foxes"].private and "lora.safetensors" in hub.files("me/foxes")
    assert resolve(folder)[0] == folder
    nobody = CliRunner().invoke(app, ["push", str(folder)])
    assert isinstance(nobody.exception, ConfigError) and "give --to OWNER/NAME" in str(nobody.exception)
    other = run.with_name("demo-2")
    run.rename(other)
    with pytest.raises(LtxError, match=r"does not hold what .*demo-2 has trained"):
        resolve(other)
    with pytest.raises(ConfigError, match="is no config, no run's folder and no published one"):
        resolve(tmp_path)


@pytest.mark.parametrize("name", ["README.md", "samples/02.mp4", "lora.safetensors", "config.yaml"])
def test_what_an_earlier_version_has_published_unscrubbed_is_not_pushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    folder = published(tmp_path, "p1")
    (folder / "config.yaml").write_text("name: demo\nworkspace: workspace\n")
    assert resolve(folder)[0] == folder
    if name == "lora.safetensors":
        save_file({"a": torch.ones(3)}, folder / name, {"note": "0123456789abcdef"})
    elif name == "config.yaml":
        (folder / name).write_text(f"name: demo\nworkspace: {tmp_path}\n")
    else:
        (folder / name).write_bytes(
            b"\x00\xff 0123456789abcdef" if name.endswith("4") else b"0123456789abcdef"
        )
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(LtxError, match=rf"holds a secret or a folder of this machine in {name}: ") as refused:
        resolve(folder)
    assert "0123456789abcdef" not in str(refused.value)
    assert {path: path.read_bytes() for path in before} == before


def test_every_product_and_form_is_known_to_a_push():
    """Of what is not among them nobody is told that it is another's and stays."""
    found = {LORA, f"{PRODUCTS['full']}/{FULL_WEIGHTS}", f"{PRODUCTS['full']}/config.json"}
    found |= {f"samples/{name}" for name in ("01.mp4", "12.wav", "01.reference1.wav", SHEET)}
    found |= {name if Path(name).suffix else f"{name}/x" for name in (*PUBLISHED.values(), BEST_FOLDER)}
    found |= {f"{LINEAGE_FOLDER}/clips.parquet", f"{BEST_FOLDER}/merged/x"}
    assert [one for one in sorted(found) if not any(fnmatch(one, name) for name in OWN_NAMES)] == []
    assert SIGN == LINEAGE


def test_a_base_model_is_named_where_the_config_names_a_repository(tmp_path: Path):
    assert hub_base(config(tmp_path)) == "", "a folder of this machine is no model of a hub"
    model = {"model_path": "Lightricks/LTX-2"}
    assert hub_base(Config.model_validate({"model": model})) == "Lightricks/LTX-2"
    version = Config.model_validate({"model": {"model_path": "/none", "model_source": "LTXV_2B_0.9.5"}})
    assert hub_base(version).startswith("Lightricks/LTX-Video")


def test_folders_of_the_config_are_in_nothing_that_is_handed_on(tmp_path: Path):
    """Neither in what is published nor in what trackers are told."""
    prompt = '[{prompt: "/imagine a fox"}]'
    sources = '["/films", "/video/acme/films", "/mnt/more/*.mp4", "/clips/**/*.mp4", data/footage]'
    wishes = (f"dataset.source={sources}", f"validation.samples={prompt}")
    found = config(tmp_path, *wishes, "model.model_path=/mnt/models/LTX-2")
    hide = secrets_of(found)
    text = (
        f"/films/a.mp4 /video/acme/films/b.mp4 /mnt/more/c.mp4 /clips/d {tmp_path}/x /imagine a fox </films>"
    )
    assert hide.text(text) == "…/a.mp4 …/films/b.mp4 …/more/c.mp4 …/d workspace/x /imagine a fox </films>"
    told = json.dumps(tracking_of(found).facts)
    assert "/imagine a fox" in told
    assert [place for place in ("/films", "acme", "/mnt", str(tmp_path)) if f'"{place}' in told] == []
