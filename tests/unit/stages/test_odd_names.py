"""Films and folders with names of any bytes, from the scan to captions, rows, tables and reasons."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from picture_files import FOOTAGE, pipeline, prepare

from ltx_core.stages.dataset import rejections
from ltx_core.stages.scores import kept_clips
from ltx_core.stages.show import show

FOLDER = b"deux \xe9t\xe9s"
GOOD = {b"caf\xe9\xff.mp4": "wide.mp4", "日本 \"q\"\n'🦊'.mp4".encode(): "silent_film.mp4"}
BAD = b"\xfe <b>no film\x1b[31m.mp4"
SHOWN = ["deux \\xe9t\\xe9s/caf\\xe9\\xff.mp4", "deux \\xe9t\\xe9s/日本 \"q\"\\n'🦊'.mp4"]
SHOWN_BAD = "deux \\xe9t\\xe9s/\\xfe <b>no film\\x1b[31m.mp4"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    folder = Path(os.fsdecode(os.fsencode(root) + b"/" + FOLDER))
    folder.mkdir()
    for name, source in GOOD.items():
        shutil.copy(FOOTAGE / source, Path(os.fsdecode(os.fsencode(folder) + b"/" + name)))
    Path(os.fsdecode(os.fsencode(folder) + b"/" + BAD)).write_text("words\n" * 100)
    pipe = pipeline(
        tmp_path_factory.mktemp("ws"), root, "", "dataset.captions={captioner: none, order: [folder]}"
    )
    prepare(pipe, "captions")
    return pipe.context


def test_films_are_decoded_and_captioned_whatever_their_names(prepared):
    clips = kept_clips(prepared)
    assert sorted({clip.name.rpartition(" #")[0] for clip in clips}) == SHOWN
    for clip in clips:
        assert prepared.models.frames(clip).shape[0] == clip.bucket.frames
    captions = [str(row.columns["caption"]) for row in prepared.by_clip("captions").values()]
    assert captions == ["deux \\xe9t\\xe9s"] * len(clips)


def test_tables_and_reasons_say_names_that_can_be_printed(prepared):
    ((name, reason),) = [one for one in rejections(prepared) if "no film" in one[0]]
    assert name == SHOWN_BAD and reason.startswith("unreadable")
    for clip in kept_clips(prepared):
        tables = show(prepared, clip.name)
        text = "\n".join(str(cell) for table in tables for row in table["rows"] for cell in row)
        assert text.encode() and tables[0]["title"] == clip.name
        assert clip.file.name in text and "\x1b" not in text
