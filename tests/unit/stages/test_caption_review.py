"""Captions out into a file and back, by the stages themselves: what changes, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from flows._cli_captions import captions_app
from ltx_core.config.load import load
from ltx_core.curation.captioning.review import COLUMNS, guarded, unguarded
from ltx_core.errors import LtxError
from ltx_core.run import Pipeline
from ltx_core.stages.caption_review import apply_review, write_review

ROOT = Path(__file__).parents[3]
FORMULA = "=2+3 is what a =SUM says;\n“second line”, @home"


def pipeline(folder):
    stated = [
        f"workspace={folder / 'workspace'}",
        f"dataset.source={folder / 'films'}",
        "engine.threads=1",
        "acceleration.threads=1",
        "dataset.trigger=''",
    ]
    return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", stated, ROOT))


def prepare(pipe):
    computed = {}
    for stage in pipe.stages("text"):
        computed[stage] = sum(pipe.compute(stage, chunk)["rows"] for chunk in pipe.plan(stage).chunks)
    return {stage: rows for stage, rows in computed.items() if rows}


def captions(folder):
    pipe = pipeline(folder)
    pipe.context.refresh()
    found = pipe.context.results("captions")
    return {item.name: (row.columns["caption"], row.columns["caption_source"]) for item, row in found}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    (folder / "films").mkdir()
    shutil.copy(ROOT / "data" / "footage" / "silent_film.mp4", folder / "films")
    prepare(pipeline(folder))
    return folder


@pytest.fixture
def written(prepared, tmp_path):
    """A review file, its cells, and the workspace as it was before."""
    edits = prepared / "workspace" / "captions" / "edits.json"
    edits.unlink(missing_ok=True)
    path = tmp_path / "captions.csv"
    write_review(pipeline(prepared).context, path, True, lambda done, total: None)
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    return path, rows


def save(path, rows, *, encoding="utf-8-sig", delimiter=",", head=""):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes((head + out.getvalue()).encode(encoding))


def test_the_file_shows_each_clip_and_unchanged_it_changes_nothing(prepared, written):
    path, rows = written
    now = captions(prepared)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfclip,") and b"\r\n" in path.read_bytes()
    assert {row["clip"]: (row["caption"], row["caption_source"]) for row in rows} == now
    assert all(row["status"] == "ok" and row["new_caption"] == "" for row in rows)
    assert all(Path(row["source"]).is_file() for row in rows)
    assert all(float(row["start_s"]) < float(row["end_s"]) for row in rows)
    with Image.open(rows[0]["preview"]) as picture:
        assert picture.height == 320 and picture.width > 3 * 320
    before = Path(rows[0]["preview"]).stat().st_mtime_ns
    assert apply_review(pipeline(prepared).context, path).same == len(rows)
    assert prepare(pipeline(prepared)) == {}
    write_review(pipeline(prepared).context, path, True, lambda done, total: None)
    assert Path(rows[0]["preview"]).stat().st_mtime_ns == before


def test_one_edit_is_one_row_of_captions_and_one_of_text_and_can_be_taken_back(prepared, written):
    path, rows = written
    before = captions(prepared)
    rows[1]["new_caption"] = FORMULA
    save(path, rows)
    assert apply_review(pipeline(prepared).context, path).changed == (rows[1]["clip"],)
    assert prepare(pipeline(prepared)) == {"captions": 1, "text": 1}
    assert captions(prepared) == {**before, rows[1]["clip"]: (FORMULA, "edited")}
    # What is written out is neutralised, what comes back is the same text: nothing changes.
    write_review(pipeline(prepared).context, path, False, lambda done, total: None)
    again = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    assert again[1]["caption"] == f"'{FORMULA}"
    again[1]["new_caption"] = again[1]["caption"]
    save(path, again)
    assert apply_review(pipeline(prepared).context, path).changed == ()
    again[1]["new_caption"] = "[reset]"
    save(path, again)
    assert apply_review(pipeline(prepared).context, path).reset == (rows[1]["clip"],)
    assert captions(prepared) == before
    assert prepare(pipeline(prepared)) == {}


@pytest.mark.parametrize(
    "form",
    [
        {"delimiter": ";", "encoding": "cp1252"},
        {"delimiter": "\t", "encoding": "utf-16"},
        {"delimiter": ";", "encoding": "utf-8-sig", "head": "sep=;\r\n"},
    ],
)
def test_what_spreadsheets_save_is_taken_back(prepared, written, form):
    path, rows = written
    rows[0]["new_caption"] = 'Ein Käse; "rund", und\neine Zeile'
    save(path, rows, **form)
    found = apply_review(pipeline(prepared).context, path)
    assert found.changed == (rows[0]["clip"],) and found.misplaced == ()
    assert captions_of_edits(prepared) == ['Ein Käse; "rund", und\neine Zeile']


def captions_of_edits(prepared):
    return list(json.loads((prepared / "workspace" / "captions" / "edits.json").read_text()).values())


def test_wrong_files_are_named_and_change_nothing(prepared, written):
    path, rows = written
    rows[0]["new_caption"] = "good"
    wrong = [
        ([*rows, rows[0]], rf"line {len(rows) + 2}: .* stands on line 2 already"),
        (
            [{**rows[0], "clip_id": "clip_0", "clip": "gone.mp4 #1"}],
            r"line 2: gone\.mp4 #1 \(clip_0\) is no clip",
        ),
    ]
    for lines, message in wrong:
        save(path, lines)
        with pytest.raises(LtxError, match=message):
            apply_review(pipeline(prepared).context, path)
    for text, message in [
        ("clip,caption\r\na,b\r\n", "no column clip_id and no column new_caption"),
        ("", "no column clip_id"),
        ("clip_id,new_caption\r\nclip_1,a,b\r\n", "line 2: 3 cells instead of 2"),
        ('clip_id,new_caption\r\nclip_1,"a', "is no CSV file"),
    ]:
        path.write_text(text)
        with pytest.raises(LtxError, match=message):
            apply_review(pipeline(prepared).context, path)
    with pytest.raises(LtxError, match="cannot be read: No such file"):
        apply_review(pipeline(prepared).context, path.with_name("none.csv"))
    assert not (prepared / "workspace" / "captions" / "edits.json").exists()


def test_a_caption_that_was_changed_in_the_wrong_column_is_named(prepared, written):
    path, rows = written
    rows[0]["caption"] = "written here by mistake"
    save(path, rows)
    found = apply_review(pipeline(prepared).context, path)
    assert (found.changed, found.misplaced) == ((), (rows[0]["clip"],))


def test_the_commands_say_what_they_did_and_overwrite_no_edits(prepared, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    out = tmp_path / "review.csv"
    where = [
        f"workspace={prepared / 'workspace'}",
        f"dataset.source={prepared / 'films'}",
        "dataset.trigger=''",
    ]

    def ltx(*arguments):
        found = CliRunner().invoke(captions_app, [*arguments, *where])
        return str(found.exception or found.output).replace("\n", "")

    config = "configs/t2v_lora.yaml"
    assert "clips. Next: ltx captions apply" in ltx("edit", config, "-o", str(out), "--no-pictures")
    assert "exists, perhaps with edits" in ltx("edit", config, "-o", str(out))
    rows = list(csv.DictReader(io.StringIO(out.read_bytes().decode("utf-8-sig"), newline="")))
    assert rows[0]["preview"] == ""
    rows[0]["new_caption"] = "a kite"
    save(out, rows)
    assert f"1 captions changed, {len(rows) - 1} as before" in ltx("apply", config, str(out))
    assert "0 captions changed" in ltx("edit", config, "--apply", str(out))
    save(out, [{**rows[0], "new_caption": "[reset]"}])
    assert "0 captions changed, 1 reset, 0 as before" in ltx("apply", config, str(out))


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_no_cell_is_a_formula_and_every_text_comes_back(text):
    cell = guarded(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguarded(cell) == text
