"""`ltx show RUN` and `ltx compare`: two runs of a toy, resumed, with skipped steps, samples and secrets."""

from __future__ import annotations

import json
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from flows.cli import app
from ltx_core.errors import LtxError
from ltx_core.evaluation.compare import compare_tables, differences, fairness
from ltx_core.evaluation.run_record import find_run, read_run
from ltx_core.evaluation.run_tables import happened, run_tables
from ltx_core.training.plan import Hook

ROOT = Path(__file__).parents[3]
SECRET = "hf_0123456789abcdefghijkl"


def config_of(name, rate, key):
    return {
        "name": name,
        "seed": 42,
        "model": {"model_path": "/models/tiny", "training_mode": "lora"},
        "lora": {"rank": 8},
        "optimization": {"learning_rate": rate, "steps": 24},
        "dataset": {"captions": {"base_url": f"https://me:{key}@host/v1", "api_key": key}},
        "validation": {"seed": 1, "heldout_levels": 8},
    }


def make_run(folder, rate, key):
    """A run that is interrupted once, with held-out losses and samples; its third step is skipped."""
    sys.path.insert(0, str(ROOT / "tests" / "unit" / "training"))
    from PIL import Image
    from toy import run

    folder.mkdir(parents=True)
    config = config_of(folder.name[:3], rate, key)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "lineage.json").write_text(json.dumps({"dataset": "d" * 40, "code_version": "1"}))

    def draw(step):
        target = folder / "samples" / f"step_{step:06d}"
        target.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (90, 20), (step * 5, 0, 0)).save(target / "sheet.png")
        shutil.copy(ROOT / "data" / "footage" / "wide.mp4", target / "01.mp4")

    def measure(step):
        return {"heldout_video": 2 - step * rate}

    hooks = [Hook(measure, every=8, at_start=True), Hook(draw, every=8)]
    run(folder, steps=12, bad=(3,), learning_rate=rate, hooks=hooks)
    run(folder, steps=24, learning_rate=rate, hooks=hooks)
    return folder


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    make_run(folder / "runs" / "one-11111111", 0.01, SECRET)
    make_run(folder / "runs" / "two-22222222", 0.03, "another-secret-1")
    return folder


@pytest.fixture
def runs(workspace):
    return [read_run(workspace / "runs" / name) for name in ("one-11111111", "two-22222222")]


class Addresses(HTMLParser):
    """Addresses that a page would fetch, and the tags that are left open."""

    def __init__(self):
        super().__init__()
        self.fetched, self.videos = [], 0

    def handle_starttag(self, tag, attrs):
        self.videos += tag == "video"
        self.fetched += [value for name, value in attrs if name in ("src", "href", "poster")]


def offline(path):
    parser = Addresses()
    parser.feed(path.read_text(encoding="utf-8"))
    assert [a for a in parser.fetched if not a.startswith(("data:", "#"))] == []
    return parser


def cells(tables, title):
    (found,) = [table for table in tables if table["title"].startswith(title)]
    return {row[0]: row[1:] for row in found["rows"]}


def test_a_run_is_told_as_it_went(runs):
    run, _ = runs
    tables = run_tables(run)
    facts = cells(tables, "run one-11111111")
    assert facts["steps"] == ["24 of 24"]
    assert facts["best held-out loss"] == ["1.76 at step 24"]
    last = [row["loss_video"] for row in run.rows if row["loss_video"] is not None][-20:]
    assert facts["last video loss"] == [f"{sum(last) / 20:.4g}"]
    total = sum(row["seconds"] for row in run.rows)
    assert facts["tokens/s"] == [f"{sum(row['tokens'] for row in run.rows) / total:.4g}"]
    (happened,) = [table for table in tables if table["title"] == "what happened"]
    starts = [row[2] for row in happened["rows"] if row[2] in ("started", "resumed", "finished", "killed")]
    assert starts == ["started", "finished", "resumed", "finished"]
    skipped = cells(tables, "skipped steps")["3"]
    assert skipped[0] == "loss is nan"
    assert skipped[1].count("clip") == 2


def test_a_kill_is_seen_at_the_next_start(runs, tmp_path):
    killed = tmp_path / "killed"
    shutil.copytree(runs[0].folder, killed)
    lines = (killed / "log.jsonl").read_text().splitlines()
    kept = [line for line in lines if not ('"finished"' in line and '"step": 12' in line)]
    (killed / "log.jsonl").write_text("\n".join(kept) + '\n{"time": 1, "ev')
    (table,) = [table for table in run_tables(read_run(killed)) if table["title"] == "what happened"]
    names = [row[2] for row in table["rows"] if row[2] != "best"]
    assert names == ["started", "killed", "resumed", "finished"]
    ended = [kept[0], '{"event": "out_of_memory", "step": 12}', *kept[1:]]
    (killed / "log.jsonl").write_text("\n".join(ended))
    events = [row[2] for row in happened(read_run(killed))]
    assert [name for name in events if name != "best"] == ["started", "out_of_memory", "resumed", "finished"]


def test_a_run_of_another_program_is_shown(runs, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(runs[0].folder, other)
    config = {"name": ["x"], "model": "some/model", "lora": 3, "optimization": [{"steps": 5}]}
    (other / "config.yaml").write_text(yaml.safe_dump(config))
    facts = cells(run_tables(read_run(other)), "run other")
    assert (facts["base"], facts["trained"], facts["steps"]) == (["-"], ["LoRA of rank ?"], ["24 of ?"])
    found = dict((name, values) for name, *values in differences([runs[0], read_run(other)]))
    assert found["model"] == ["(not stated)", "some/model"]
    assert "other" in str(compare_tables([runs[0], read_run(other)]))


def test_configs_are_compared_field_by_field_without_secrets(runs):
    found = dict((name, values) for name, *values in differences(runs))
    assert found["optimization.learning_rate"] == ["0.01", "0.03"]
    assert found["dataset.captions.api_key"] == ["***", "***"], "that it differs is said, not what it is"
    assert set(found) == {
        "optimization.learning_rate",
        "dataset.captions.api_key",
        "dataset.captions.base_url",
    }
    assert SECRET not in str(compare_tables(runs))


def test_losses_are_compared_at_equal_steps(runs):
    (table,) = [t for t in compare_tables(runs) if t["title"] == "training loss at equal steps"]
    rows = [row for row in table["rows"] if row[0] == "video"]
    assert [row[1] for row in rows] == ["5", "10", "14", "19", "24"]
    for run, shown in zip(runs, rows[-1][2:], strict=True):
        values = [row["loss_video"] for row in run.rows if row["step"] > 4]
        assert shown == f"{sum(values) / 20:.4g}"
    (heldout,) = [t for t in compare_tables(runs) if t["title"] == "held-out loss at equal steps"]
    assert ["video", "16", "1.84", "1.52"] in heldout["rows"]


def test_what_cannot_be_compared_is_said(runs, tmp_path):
    assert "can be compared" in dict(fairness(runs))["held-out loss"]
    other = tmp_path / "other"
    shutil.copytree(runs[1].folder, other)
    config = yaml.safe_load((other / "config.yaml").read_text())
    config["validation"]["seed"], config["seed"] = 7, 43
    (other / "config.yaml").write_text(yaml.safe_dump(config))
    (other / "lineage.json").write_text(json.dumps({"dataset": "e" * 40}))
    found = dict(fairness([runs[0], read_run(other)]))
    assert "held-out loss" not in found
    assert "other draws" in found["validation.seed"]
    assert found["dataset"].startswith("differs")
    assert found["seed of the training"].startswith("differs")


def test_runs_are_found_by_path_checkpoint_and_name(workspace, monkeypatch):
    root = workspace / "runs"
    one = root / "one-11111111"
    for here, text in ((one, "."), (one / "checkpoints", ".."), (root, one.name)):
        monkeypatch.chdir(here)
        assert find_run(text, root / "none") == one.resolve()
    for text in (str(one), str(one / "checkpoints" / "step_000024"), "one-11111111", "one"):
        assert find_run(text, root) == one
    assert find_run("three", root) is None
    shutil.copytree(one, root / "one-33333333")
    with pytest.raises(LtxError, match="several runs begin with 'one'"):
        find_run("one", root)
    shutil.rmtree(root / "one-33333333")


def test_the_commands_write_pages_that_need_no_network(workspace):
    run = CliRunner().invoke
    shown = run(app, ["show", "one", f"workspace={workspace}"])
    assert shown.exit_code == 0, shown.output
    page = Path(shown.output.strip().splitlines()[-1].split(maxsplit=1)[1])
    assert page == workspace / "runs" / "one-11111111" / "show.html"
    assert offline(page).videos == 1
    compared = run(app, ["compare", "one", "two", "--workspace", str(workspace)])
    assert compared.exit_code == 0, compared.output
    assert "optimization.learning_rate" in compared.output
    page = Path(compared.output.strip().splitlines()[-1].split(maxsplit=1)[1])
    text = page.read_text(encoding="utf-8")
    assert offline(page).videos == 2, "the same sample of both, side by side"
    for found in (text, shown.output, compared.output):
        assert SECRET not in found
        assert "another-secret-1" not in found
    missing = run(app, ["show", "three", f"workspace={workspace}"])
    assert missing.exit_code == 1
    assert "no run is named 'three'" in str(missing.exception)
    assert "`ltx show`: workspace=FOLDER" in str(missing.exception), "an option that the command has"
