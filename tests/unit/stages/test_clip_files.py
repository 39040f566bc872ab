"""Clips of films, stills and sounds: crops, windows without decoding, files of their own, contact sheets."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from cut_films import PATIENCE, RATE, make_film, shown_number
from PIL import Image

from ltx_core.config.load import load
from ltx_core.errors import LtxError
from ltx_core.media.audio import read_audio, sound_span
from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.probe import probe
from ltx_core.media.wav import wav_bytes
from ltx_core.media.window import FrameWindow
from ltx_core.media.write import write_video
from ltx_core.run import Pipeline
from ltx_core.stages.clip_export import TABLE, export_clips
from ltx_core.stages.clips import all_clips, rejected_cuts
from ltx_core.stages.cut_sheets import ASIDE, KEPT, cut_sheets
from ltx_core.stages.scores import kept_clips

ROOT = Path(__file__).parents[3]
BASE = ("engine.threads=1", "acceleration.threads=1", "dataset.scenes.min_length=0.3")
LENGTHS = (30, 34, 31, 12)


def pipeline(workspace, source, *overrides):
    settings = [f"workspace={workspace}", f"dataset.source={source}", *BASE, *overrides]
    return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))


def prepare(pipe, until="scores"):
    computed = {}
    for stage in pipe.stages(until):
        computed[stage] = sum(pipe.compute(stage, chunk)["rows"] for chunk in pipe.plan(stage).chunks)
    pipe.context.refresh()
    return computed


def boxed_film(path, width=161, height=121, border=24):
    """A film of one shot with odd sides and black borders above and below."""
    rng = np.random.default_rng(3)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width + 40, 3)), (0, 0), 4)
    picture = np.clip(130 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)
    frames = np.stack([picture[:, n : n + width] for n in range(40)])
    frames[:, :border] = frames[:, height - border :] = 0
    write_video(path, frames, 30, crf=16)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "a 'trip'").mkdir()
    film = make_film(folder / "a 'trip'", "b-frames", LENGTHS)
    boxed_film(folder / "boxed.mp4")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 120, 3), np.uint8)).save(
        folder / "still.png"
    )
    (film.path.with_suffix(".2.txt")).write_text("the second shot ✓", encoding="utf-8")
    return folder, film


@pytest.fixture(scope="module")
def prepared(source, tmp_path_factory):
    workspace = tmp_path_factory.mktemp("workspace")
    pipe = pipeline(workspace, source[0], "dataset.buckets=[64x64x9, 96x64x1]")
    prepare(pipe, "captions")
    return workspace, pipe


def of(clips, name):
    return [clip for clip in clips if name in clip.file.name]


def test_borders_are_cut_off_and_a_still_is_a_clip_of_one_frame(prepared, source):
    workspace, pipe = prepared
    clips = kept_clips(pipe.context)
    (boxed,) = of(clips, "boxed")
    assert (boxed.crop.left, boxed.crop.of_width, boxed.crop.of_height) == (0, 161, 121)
    assert 24 <= boxed.crop.top <= 28 and boxed.height <= 121 - 2 * 24 and boxed.height % 2 == 0
    assert pipe.context.models.frames(boxed)[:, (0, 1, -2, -1)].mean() > 60
    (still,) = of(clips, "still")
    assert (str(still.bucket), still.start, still.end) == ("96x64x1", 0, 1)
    assert pipe.context.models.frames(still).shape == (1, 64, 96, 3)
    keep = pipeline(workspace, source[0], "dataset.buckets=[64x64x9]", "dataset.scenes.letterbox=keep")
    assert {name: prepare(keep)[name] for name in ("sources", "scenes")} == {"sources": 0, "scenes": 0}
    (whole,) = of(all_clips(keep.context), "boxed")
    assert whole.crop is None and (whole.clip_id, whole.width) == (boxed.clip_id, 161)
    aside = dict(rejected_cuts(keep.context))
    assert aside["still.png #1"] == "image: no bucket of one frame; add e.g. 64x64x1"


def test_other_windows_decode_no_film_and_a_part_of_a_film_does(prepared, source):
    workspace, pipe = prepared
    film = of(all_clips(pipe.context), "trip")
    assert [clip.start for clip in film] == [0, *source[1].cuts[:2], source[1].cuts[2]]
    few = pipeline(
        workspace, source[0], "dataset.buckets=[64x64x5]", "dataset.scenes={take: first, min_length: 0.3}"
    )
    assert prepare(few)["scenes"] == 0 and len(of(all_clips(few.context), "trip")) == 3
    part = pipeline(workspace, source[0], "dataset.scenes={skip_start: 30f, min_length: 0.3}")
    assert prepare(part, "clips")["scenes"] == 3
    assert [name for name, _ in rejected_cuts(part.context)][:1] == ["a 'trip'/b-frames.mp4 #3"]


def check_file(path, clip, film):
    """An exported clip shows the frames that it should, and clicks when they do."""
    times = frame_times(path)
    assert times == pytest.approx([n / 8 for n in range(9)], abs=1e-4)
    window = FrameWindow(clip.start_s, 8, 9, clip.start, clip.end)
    shown = [shown_number(frame) for frame in read_frames(path, list(range(9)))]
    assert shown == [film.numbers[index] for index in window.frames(film.times)]
    start, end = sound_span(path)
    assert start == 0 and 9 / 8 - 1e-4 <= end < 9 / 8 + 1024 / RATE  # AAC ends with a whole block
    assert probe(path).audio_duration == pytest.approx(9 / 8, abs=1e-3)
    loud = np.flatnonzero(np.abs(read_audio(path, 0, 9 / 8, RATE)).max(axis=0) > 0.3) / RATE
    for frame in (frame for frame in film.clicks if clip.start <= frame < clip.end - 2):
        assert np.abs(loud - (film.times[frame] - clip.start_s)).min() < PATIENCE


def test_exported_clips_are_exact_go_on_after_a_stop_and_are_a_source_themselves(prepared, source, tmp_path):
    _, pipe = prepared
    folder, out = source[1], tmp_path / "out"
    done = export_clips(pipe.context, out)
    clips = kept_clips(pipe.context)
    assert (done.written, done.present, done.problems) == (len(clips), 0, [])
    rows = [json.loads(line) for line in (out / TABLE).read_text("utf-8").splitlines()]
    assert len(rows) == len(clips) == 6
    for row, clip in zip(rows, clips, strict=True):
        path = out / row["video"]
        if "trip" in row["cut_from"] and path.suffix == ".mp4":
            check_file(path, clip, folder)
        width, height = read_frames(path, [0]).shape[2:0:-1]
        assert (width, height) == (clip.width // 2 * 2, clip.height // 2 * 2)
    assert [row["caption"] for row in rows].count("the second shot ✓") == 1
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.[mp]*")}
    (out / TABLE).unlink()
    (out / rows[1]["video"]).unlink()
    (out / ".film.0001.mp4.abc.tmp").write_bytes(b"half a clip")
    again = export_clips(pipe.context, out)
    assert (again.written, again.present) == (1, len(clips) - 1)
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.[mp]*")}
    assert {name for name in after if after[name] != before[name]} == {rows[1]["video"]}
    assert not list(out.glob(".film*")) and len((out / TABLE).read_text("utf-8").splitlines()) == len(rows)
    for place in (out, out / TABLE):
        whole = pipeline(tmp_path / "ws", place, "dataset.buckets=[64x64x9, 96x64x1]")
        prepare(whole, "captions")
        found = kept_clips(whole.context)
        assert sorted(str(clip.bucket) for clip in found) == sorted(str(clip.bucket) for clip in clips)
        texts = [row.columns["caption"] for row in whole.context.by_clip("captions").values()]
        assert texts.count("the second shot ✓") == 1


def test_an_export_at_the_buckets_size_replaces_another_and_touches_no_strangers(prepared, tmp_path):
    _, pipe = prepared
    out = tmp_path / "out"
    export_clips(pipe.context, out, "bucket")
    (film,) = {read_frames(path, [0]).shape[1:3] for path in out.glob("*.mp4")}
    assert film == (64, 64)
    assert export_clips(pipe.context, out, "source").removed == 12  # six clips and their captions
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "holiday.mp4").write_bytes(b"mine")
    with pytest.raises(LtxError, match="holds files that no export wrote"):
        export_clips(pipe.context, tmp_path / "mine")
    with pytest.raises(LtxError, match="run `ltx stage clips CONFIG` first"):
        export_clips(pipeline(tmp_path / "empty", ROOT / "data" / "footage").context, tmp_path / "none")


def test_sounds_are_exported_as_they_are(tmp_path):
    (tmp_path / "music").mkdir()
    wave = 0.4 * np.sin(np.arange(22050 * 2) / 9).astype(np.float32)
    name = "曲" * 83  # 249 bytes: as long as a file's name may be
    (tmp_path / "music" / f"{name}.wav").write_bytes(wav_bytes(np.stack([wave, -wave]), 22050))
    settings = [f"workspace={tmp_path}/ws", f"dataset.source={tmp_path}/music", *BASE]
    pipe = Pipeline(load(ROOT / "configs" / "t2a_lora.yaml", settings, ROOT))
    prepare(pipe)
    assert export_clips(pipe.context, tmp_path / "out").problems == []
    (row,) = [json.loads(line) for line in (tmp_path / "out" / TABLE).read_text("utf-8").splitlines()]
    found = read_audio(tmp_path / "out" / row["audio"], 0, 9 / 8, 22050)
    assert np.abs(found[0] - wave[: found.shape[1]]).max() < 1e-3
    assert row["audio"].startswith("曲" * 50 + ".0001.")


def marked(page):
    """Whether a page has clips that are kept, and some that are set aside."""
    picture = np.asarray(Image.open(page))
    return tuple(bool((picture == colour).all(axis=2).any()) for colour in (KEPT, ASIDE))


def test_a_contact_sheet_shows_every_cut_and_is_drawn_once(prepared, source):
    workspace, pipe = prepared
    sheets = {sheet.name: sheet for sheet in cut_sheets(pipe.context)}
    film = sheets["a 'trip'/b-frames.mp4"]
    assert (film.cuts, film.kept) == (4, 4) and sheets["still.png"].kept == 1
    (page,) = film.pages
    assert page.is_relative_to(workspace / "sheets")
    assert marked(page) == (True, False)
    stamp = page.stat().st_mtime_ns
    assert next(iter(cut_sheets(pipe.context))).pages[0].stat().st_mtime_ns == stamp
    page.unlink()
    away = source[1].path.rename(workspace / "away.mp4")
    missing = next(sheet for sheet in cut_sheets(pipe.context) if sheet.name == film.name)
    away.rename(source[1].path)
    assert missing.pages == () and "missing" in missing.problem and not page.exists()
    back = next(sheet for sheet in cut_sheets(pipe.context) if sheet.name == film.name)
    assert (back.pages, back.problem) == ((page,), "") and marked(page) == (True, False)
    other = pipeline(
        workspace, source[0], "dataset.buckets=[64x64x5]", "dataset.scenes={stats: true, min_length: 0.3}"
    )
    prepare(other)
    (drawn,) = [sheet for sheet in cut_sheets(other.context) if sheet.name == film.name]
    assert not page.exists() and len(drawn.pages) == 1 and marked(drawn.pages[0]) == (True, True)
    lines = (drawn.pages[0].parent / "stats.csv").read_text().splitlines()
    assert lines[0].startswith("frame,time_s,adaptive.") and len(lines) == sum(LENGTHS) + 1
