"""A run that publishes and pushes, by the real command: what arrives, what never does, what is done again.

The hub is a stand-in of the Hugging Face hub's API on a real socket; the real client, in a child of the run,
speaks to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from cli import Clone, rows
from hub_server import TOKEN, Hub, hub_server
from safetensors import safe_open

NAME = "me/stripes"
SECRETS = {
    "HF_TOKEN": TOKEN,
    "WANDB_API_KEY": "wandbKey0123456789",
    "AWS_SECRET_ACCESS_KEY": "open sesame/+42",
    "OPENAI_API_KEY": "sk-captions0123456789abc",
    "HF_HUB_OFFLINE": "",
    "TRANSFORMERS_OFFLINE": "",
}
HIDDEN = ("wandbKey0123456789", "open sesame", "sk-captions", "swordfish", "signature0", TOKEN)
CAPTION = "a red circle of striped style, see https://ada:swordfish@films.example/x?token=signature0"


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with hub_server() as running:
        yield running


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Clone:
    """Two films, secrets in a caption, in the config and in the environment; pushed after the run."""
    made = Clone.make(tmp_path_factory.mktemp("published") / "ada")
    for path in made.footage.iterdir():
        if path.stem.split(".")[0] not in ("wide", "silent_film"):
            path.unlink()
    (made.footage / "wide.txt").write_text(CAPTION)
    sources = [{"path": "data/footage", "license": "CC-BY-NC-4.0", "attribution": "Ada wandbKey0123456789"}]
    settings = (
        f"dataset.source={json.dumps(sources)}",
        "dataset.trigger=striped style",
        "validation.negative_prompt=blurry sk-captions0123456789abc",
        "checkpoints.formats=[diffusers]",
        "hub.push_to_hub=true",
        f"hub.hub_model_id={NAME}",
        f"hub.endpoint={hub.endpoint}",
        "hub.license=apache-2.0",
    )
    return Clone(made.folder, (*made.overrides, *settings), SECRETS)


@pytest.fixture(scope="module")
def pushed(clone: Clone, hub: Hub) -> str:
    """The output of the run; its first push fails at the commit, and the same command tries again."""
    compute(clone, "publish")
    assert not hub.requests, "nothing is pushed by publishing"
    hub.faults["POST", "/commit/"] = 503
    output = clone.ltx("run", "configs/demo.yaml", code=1)
    assert "me/stripes was not pushed" in output and "status 503" in output and TOKEN not in output
    assert f"is pushed to {NAME} at {hub.endpoint}" in output and "is non-commercial by its licence" in output
    assert rows(clone.workspace).keys() >= {"publish"} and "push" not in rows(clone.workspace)
    sent = hub.sent
    again = clone.ltx("run", "configs/demo.yaml")
    assert hub.sent == sent, "what has arrived is not sent again"
    return again


def compute(clone: Clone, until: str, *overrides: str) -> None:
    """Compute what is missing of a stage and of those before it, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SECRETS, "HOME": str(clone.folder)}.items():
            patch.setenv(name, value)
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        pipe = clone.pipeline(*overrides)
        for stage in pipe.stages(until):
            for chunk in pipe.plan(stage).chunks:
                pipe.compute(stage, chunk)


def published(clone: Clone) -> Path:
    return clone.workspace / "published" / "demo"


@pytest.mark.prove
def test_everything_arrives_and_holds_no_secret(clone: Clone, hub: Hub, pushed: str):
    folder = published(clone)
    here = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    listed = {**json.loads(here["lineage.json"]), "files": sorted(here, key=lambda name: Path(name).parts)}
    assert json.loads(hub.files(NAME)["lineage.json"]) == listed
    assert {**hub.files(NAME), "lineage.json": here["lineage.json"]} == here
    assert f"{hub.endpoint}/{NAME}" in pushed
    assert {"README.md", "lora.safetensors", "pytorch_lora_weights.safetensors", "report.html"} <= here.keys()
    assert {"lineage.json", "config.yaml", "lineage/clips.parquet", "samples/01.mp4"} <= here.keys()
    told = {name: content.decode("utf-8", "replace") for name, content in here.items()}
    told |= {name: str(pq.read_table(folder / name).to_pylist()) for name in here if name.endswith("parquet")}
    for name, text in told.items():
        for secret in (*HIDDEN, str(clone.folder)):
            assert secret not in text, f"{secret} in {name}"
    assert "https://***@films.example" in told["README.md"], "the place is told, not the password"
    (row,) = rows(clone.workspace)["push"].values()
    assert row.columns["commit"] == hub.repositories[NAME].sha and row.columns["sent_files"] == len(here)
    assert hub.headers == {f"Bearer {TOKEN}"}


@pytest.mark.prove
def test_card_and_lineage_say_what_it_was_made_of(clone: Clone, pushed: str):
    folder = published(clone)
    card = (folder / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert (front["license"], front["library_name"]) == ("apache-2.0", "diffusers")
    assert "base_model" not in front, "a folder of this machine is no model of a hub"
    assert front["widget"][0]["output"]["url"] == "samples/01.mp4"
    lineage = json.loads((folder / "lineage.json").read_text())["lineage"]
    clips = pq.read_table(folder / "lineage" / "clips.parquet").to_pylist()
    (licence,) = lineage["licenses"]
    assert (licence["license"], licence["clips"]) == ("CC-BY-NC-4.0", len(clips))
    assert licence["makers"] == ["Ada ***"] and licence["limits"] == ["non-commercial"]
    assert "CC-BY-NC-4.0" in card and "non-commercial by their licence" in card
    ((_, data),) = clone.pipeline().context.results("dataset")
    assert lineage["dataset"] == data.content_digest and data.content_digest in card
    assert {clip["split"] for clip in clips} >= {"train"} and all(
        len(clip["caption"]) == 32 for clip in clips
    )
    assert lineage["code"]["torch"] and lineage["seeds"]["training"] == 42
    with safe_open(folder / "lora.safetensors", "pt") as file:
        assert file.metadata()["trigger"] == "striped style" and len(list(file.keys())) > 0


@pytest.mark.prove
def test_a_licence_is_corrected_without_a_training(clone: Clone, hub: Hub, pushed: str):
    before, commits = rows(clone.workspace), len(hub.repositories[NAME].commits)
    compute(clone, "push")
    assert rows(clone.workspace) == before and len(hub.repositories[NAME].commits) == commits
    sources = [{"path": "data/footage", "license": "CC-BY-4.0", "author": "Ada"}]
    compute(clone, "push", f"dataset.source={json.dumps(sources)}")
    now = rows(clone.workspace)
    changed = {stage for stage in now if now[stage].keys() != before[stage].keys()}
    assert changed == {"dataset", "publish", "push"}
    for name in ("README.md", "config.yaml", "lineage.json", "report.html"):
        assert "CC-BY-4.0" in (text := hub.files(NAME)[name].decode()) and "BY-NC" not in text, name
    assert len(hub.repositories[NAME].commits) == commits + 1


@pytest.mark.prove
def test_the_command_lists_before_it_pushes(clone: Clone, hub: Hub, pushed: str):
    asked = len(hub.requests)
    output = clone.ltx("push", str(published(clone)), "--to", "me/other", "--private", "--dry-run")
    assert (
        "lora.safetensors" in output and "KiB" in output and "would be pushed to me/other (private" in output
    )
    assert len(hub.requests) == asked
    output = clone.ltx("push", str(clone.run_folder()), "--to", "me/other", "--private")
    assert hub.repositories["me/other"].private and hub.files("me/other").keys() == hub.files(NAME).keys()
    assert f"{hub.endpoint}/me/other: pushed" in output
    output = clone.ltx("push", str(published(clone)), "--to", "nobody", code=1)
    assert "--to 'nobody' is no name of a repository" in output
