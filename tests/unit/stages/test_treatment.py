"""HDR and fields: the choice decides which films are used, and computes anew only those that it concerns."""

from __future__ import annotations

import pytest
from picture_files import pipeline, prepare

from data.make.torture.folder import CASES
from ltx_core.stages.clips import all_clips

NAMES = ("plain.mp4", "hdr10.mp4", "interlaced.mp4", "still.png")
BUCKETS = "dataset.buckets=[64x64x9,64x64x1]"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """For each choice: the rows of `sources` by name, and of each file its scenes' key and clips' pixels."""
    folder = tmp_path_factory.mktemp("odd")
    for case in CASES:
        if case.name in NAMES:
            case.make(folder / case.name)
    workspace = tmp_path_factory.mktemp("workspace")
    choices = {"": (), "tonemap": ("dataset.hdr=tonemap",), "keep": ("dataset.interlaced=keep",)}
    choices["reject"] = ("dataset.interlaced=reject",)
    return {name: _prepared(workspace, folder, options) for name, options in choices.items()}


def _prepared(workspace, folder, options):
    pipe = pipeline(workspace, folder, "{type: first_frame}", BUCKETS, *options)
    computed = prepare(pipe, "clips")
    rows = {item.name: row for item, row in pipe.context.results("sources")}
    scenes = {item.name: row.row_key for item, row in pipe.context.results("scenes")}
    clips = all_clips(pipe.context)
    pixels = {name: [clip.pixels for clip in clips if clip.file.name == name] for name in scenes}
    return rows, {name: (scenes[name], pixels[name]) for name in scenes}, computed


def test_hdr_is_refused_with_the_option_or_brought_to_sdr(found):
    rows, _, _ = found[""]
    assert rows["hdr10.mp4"].reason == (
        "HDR video (PQ): convert it to SDR (BT.709) first, or set `dataset.hdr: tonemap`"
    )
    rows, used, _ = found["tonemap"]
    assert rows["hdr10.mp4"].columns["treatment"] == "tonemap"
    assert len(used["hdr10.mp4"][1]) == 1


def test_a_choice_changes_the_keys_of_the_films_that_it_concerns_alone(found):
    _, before, _ = found[""]
    assert sorted(before) == ["interlaced.mp4", "plain.mp4", "still.png"]
    _, after, computed = found["tonemap"]
    assert {name: after[name] for name in before} == before
    assert computed["scenes"] == 1
    rows, after, computed = found["keep"]
    assert rows["interlaced.mp4"].columns["treatment"] == "keep"
    assert after["interlaced.mp4"][0] != before["interlaced.mp4"][0]
    assert not set(after["interlaced.mp4"][1]) & set(before["interlaced.mp4"][1])
    assert {name: after[name] for name in ("plain.mp4", "still.png")} == {
        name: before[name] for name in ("plain.mp4", "still.png")
    }
    rows, after, _ = found["reject"]
    assert rows["interlaced.mp4"].reason.endswith("or set `dataset.interlaced: deinterlace`")
    assert "interlaced.mp4" not in after
    assert rows["plain.mp4"].columns["treatment"] == rows["still.png"].columns["treatment"] == ""
