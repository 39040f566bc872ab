"""Rows of references and masks: what is in a key, what is stored, what is set aside, what is shown."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from picture_files import pipeline, prepare, write_table
from picture_models import depth_folder
from PIL import Image

from ltx_core.config.kind_uses import check_kinds
from ltx_core.curation.referencing.sketch import sketch
from ltx_core.errors import LtxError
from ltx_core.evaluation.side_by_side import Side, mask_side, side_by_side
from ltx_core.media.decode import read_frames
from ltx_core.stages.clips import all_clips
from ltx_core.stages.show import show

REFERENCE, MASK = "{type: reference}", "{type: mask, mask_dir: video_masks}"


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    rows = [{"video": "silent_film.mp4", "caption": "a"}, {"video": "blink.mp4", "caption": "b"}]
    return write_table(folder, rows[:1])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return tmp_path_factory.mktemp("workspace")


def keys(workspace, films, stage, mode, *overrides):
    pipe = pipeline(workspace, films, mode, *overrides)
    for earlier in pipe.stages(stage)[:-1]:
        for chunk in pipe.plan(earlier).chunks:
            pipe.compute(earlier, chunk)
    pipe.context.refresh()
    return [item.key for item in pipe.context.items(stage)]


@pytest.mark.parametrize(
    ("stage", "mode", "same", "others"),
    [
        (
            "references",
            REFERENCE,
            (
                "dataset.references={kind: canny}",
                "dataset.references={kind: canny, line: 9, sure: 0.1, seed: 3}",
            ),
            ("{kind: canny, low: 9}", "{kind: sketch}", "{kind: sketch, line: 1}", "{kind: noise, seed: 3}"),
        ),
        (
            "references",
            REFERENCE,
            ("dataset.references={kind: gray}", "dataset.references={kind: grayscale, blur: 9}"),
            ("{kind: blur, blur: 9}", "{kind: downscale, downscale: 3}", "{kind: noise}"),
        ),
        (
            "masks",
            MASK,
            (
                "dataset.masks={kind: boxes}",
                "dataset.masks={kind: boxes, spans: 5, contrast: 0.5, feather: 0}",
            ),
            ("{kind: boxes, seed: 1}", "{kind: spans}", "{kind: spans, spans: 5}", "{kind: boxes, grow: 2}"),
        ),
        (
            "masks",
            MASK,
            ("dataset.masks={kind: moving}", "dataset.masks={kind: moving, seed: 4, coverage: 0.1}"),
            ("{kind: moving, contrast: 0.2}", "{kind: moving, by: flow}", "{kind: moving, invert: true}"),
        ),
    ],
)
def test_a_key_has_the_options_of_its_own_kind_alone(workspace, films, stage, mode, same, others):
    first, second = (keys(workspace, films, stage, mode, options) for options in same)
    assert first == second
    section = same[0].partition("=")[0]
    different = [first, *(keys(workspace, films, stage, mode, f"{section}={options}") for options in others)]
    assert len({key for found in different for key in found}) == len(first) * len(different)


def test_a_users_function_is_in_the_key_and_makes_the_rows(workspace, films, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "my_kinds.py"
    file.write_text("VERSION = 1\ndef turned(frames): return frames[:, ::-1]\n")
    option = "dataset.references={kind: function, function: 'my_kinds:turned'}"
    pipe = pipeline(workspace, films, REFERENCE, option)
    assert "my_kinds.py" in check_kinds(pipe.context.config)
    prepare(pipe, "references")
    (clip, *_) = all_clips(pipe.context)
    row = pipe.context.by_clip("references")[clip.clip_id]
    shown = read_frames(pipe.context.store.file(row, "reference.mp4"), list(range(9)))
    assert np.abs(shown - pipe.context.models.frames(clip)[:, ::-1].astype(int)).mean() < 3
    first = keys(workspace, films, "references", REFERENCE, option)
    file.write_text("VERSION = 1\n# a remark\ndef turned(frames): return frames[:, ::-1]\n")
    assert keys(workspace, films, "references", REFERENCE, option) == first
    file.write_text("VERSION = 2\ndef turned(frames): return frames[:, ::-1]\n")
    assert keys(workspace, films, "references", REFERENCE, option) != first
    gone = pipeline(workspace, films, REFERENCE, "dataset.references={kind: function, function: 'my_kind:f'}")
    with pytest.raises(LtxError, match="there is no module my_kind; put it into the folder"):
        check_kinds(gone.context.config)


def test_a_models_fingerprint_is_in_the_key_and_not_its_place(workspace, films, tmp_path):
    folder = depth_folder(tmp_path / "depth")
    moved = shutil.copytree(folder, tmp_path / "moved")
    option = "dataset.references={kind: depth, model: '%s'}"
    first, second = (
        keys(workspace, films, "references", REFERENCE, option % place) for place in (folder, moved)
    )
    assert first == second
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps({**config, "depth_estimation_type": "metric"}))
    pipe = pipeline(workspace, films, REFERENCE, option % moved)
    prepare(pipe, "reference_latents")
    assert [item.key for item in pipe.context.items("references")] != first
    rows = [row for _, row in pipe.context.results("reference_latents")]
    assert rows and all(row.ok for row in rows)
    for wrong, message in ((tmp_path / "nowhere", "does not exist"), (tmp_path, "holds no config.json")):
        with pytest.raises(LtxError, match=rf"dataset\.references\.model .* {message}"):
            check_kinds(pipeline(workspace, films, REFERENCE, option % wrong).context.config)
    with pytest.raises(LtxError, match=r"some/model has not been downloaded.*`hf download some/model`"):
        check_kinds(pipeline(workspace, films, REFERENCE, option % "some/model").context.config)


def test_a_soft_mask_stays_soft_and_what_it_generates_is_generated_wholly(workspace, films):
    pipe = pipeline(workspace, films, MASK, "dataset.masks={kind: boxes, coverage: 0.4, feather: 9}")
    prepare(pipe, "mask_latents")
    rows = [row for _, row in pipe.context.results("mask_latents")]
    cells = [pipe.context.store.read(row)["mask"] for row in rows if row.ok]
    assert cells and all((one == 0).any() and (one == 1).any() for one in cells)
    assert any(((one > 0.05) & (one < 0.95)).any() for one in cells)
    assert all(row.columns["soft"] for _, row in pipe.context.results("masks"))


def test_what_leaves_nothing_to_generate_or_to_keep_is_set_aside(workspace, films, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all_or_none.py").write_text(
        "def none(frames): return frames[..., 0] >= 0\ndef all(frames): return frames[..., 0] < 0\n"
        "def dots(frames):\n    kept = frames[..., 0] >= 0\n    kept[:, ::4, ::4] = False\n    return kept\n"
    )
    for name, reason in (
        ("none", r"the mask (function) keeps the whole clip: nothing is left to generate"),
        ("all", "the mask (function) keeps nothing of the clip"),
        ("dots", "keeps a part of every cell (0.94 or more): nothing is generated wholly"),
    ):
        pipe = pipeline(
            workspace, films, MASK, f"dataset.masks={{kind: function, function: 'all_or_none:{name}'}}"
        )
        prepare(pipe, "mask_latents")
        reasons = [row.reason for _, row in pipe.context.results("mask_latents")]
        assert reasons and all(reason in found for found in reasons)
    with pytest.raises(LtxError, match="no clip is left to train on"):
        prepare(pipe)


def test_what_is_made_of_frames_goes_along_with_their_latents(workspace, films):
    def goes_along(mode, *overrides):
        pipe = pipeline(workspace, films, mode, *overrides)
        prepare(pipe, "scores")
        registry = pipe.context.registry
        return [name for name in ("references", "masks") if registry[name].of_frames(pipe.context)]

    assert goes_along(REFERENCE, "dataset.references.kind=sketch") == ["references"]
    assert goes_along(MASK, "dataset.masks.kind=moving")[-1] == "masks"
    assert "masks" not in goes_along(MASK, "dataset.masks.kind=boxes")
    assert goes_along(REFERENCE, "dataset.references={kind: depth, model: some/model}") == []


def test_a_clip_is_shown_beside_its_reference_and_mask(workspace, films):
    pipe = pipeline(
        workspace, films, f"{REFERENCE}, {MASK}", "dataset.references.kind=sketch", "dataset.masks.kind=spans"
    )
    prepare(pipe, "references")
    prepare(pipe, "masks")
    (clip, *_) = all_clips(pipe.context)
    facts = dict(show(pipe.context, clip.name)[0]["rows"])
    picture = np.asarray(Image.open(Path(facts["side by side"])))
    height, width = picture.shape[:2]
    assert width > 2.5 * height  # three of three frames each
    frames = pipe.context.models.frames(clip)
    expected = sketch(frames, 2.0, 4.0)
    whole = side_by_side(
        [Side("a", frames), Side("b", expected), mask_side("c", frames, np.zeros_like(frames))]
    )
    assert np.asarray(Image.open(io.BytesIO(whole))).shape == picture.shape
    with pytest.raises(ValueError, match="at least one strip"):
        side_by_side([])
