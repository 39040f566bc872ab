"""The pages of a real small dataset: every clip, its media, what was set aside, what latents decode to."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import av
import pytest
from public_layout import export

from ltx_core.config.load import load
from ltx_core.media.decode import frame_times
from ltx_core.run import Pipeline
from ltx_core.stages.batches import Rows
from ltx_core.stages.browse import browse, clip_page
from ltx_core.stages.browse_decode import compare
from ltx_core.stages.clips import all_clips
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.folder import folder_of_pages
from ltx_core.stages.show import show

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "evaluation"))
from page_checks import broken_links, read_pages  # noqa: E402

ODD = 'wide "quoted" <b> & 🎬 100%.mp4'
CONFIG = f"""
extends: {ROOT}/configs/base.yaml
name: pages
training_strategy:
  name: flexible
  video:
    is_generated: true
    latents_dir: latents
    conditions:
      - {{type: mask, mask_dir: video_masks, probability: 1.0}}
      - {{type: reference, latents_dir: reference_latents, probability: 1.0}}
  audio: {{is_generated: true, latents_dir: audio_latents}}
dataset:
  references: {{low: 60, high: 120}}
  masks: {{coverage: 0.4}}
  filters: {{duplicate: on, dark: off, blurred: {{mode: report, below: 9.0}}}}
"""
FREE_BOX = b"\0\0\0\x08free"
"""Ends an MP4 with other bytes and the same film."""


def open_pipeline(folder: Path, *more: str) -> Pipeline:
    (folder / "pages.yaml").write_text(CONFIG)
    settings = [
        f"workspace={folder / 'workspace'}",
        f"dataset.source={folder / 'footage'}",
        "engine.threads=1",
    ]
    return Pipeline(
        load(folder / "pages.yaml", [*settings, f"model.model_path={ROOT / 'data' / 'model'}", *more], ROOT)
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    footage = ROOT / "data" / "footage"
    (folder / "footage").mkdir()
    shutil.copy(footage / "wide.mp4", folder / "footage" / ODD)
    for name in ("silent_film.mp4", "blink.mp4", "broken.mp4"):
        shutil.copy(footage / name, folder / "footage")
    shutil.copy(footage / "blink.mp4", folder / "footage" / "again.mp4")
    twin = (footage / "silent_film.mp4").read_bytes() + FREE_BOX
    (folder / "footage" / "twin.mp4").write_bytes(twin)
    pipe = open_pipeline(folder)
    for stage in pipe.stages("dataset"):
        for chunk in pipe.plan(stage).chunks:
            pipe.compute(stage, chunk)
    pipe.context.refresh()
    return pipe


def written(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_every_clip_is_there_and_the_second_time_nothing_is_written(prepared):
    told = []
    page = browse(prepared.context, clips=4, tell=lambda done, of: told.append((done, of)))
    clips = all_clips(prepared.context)
    twins = [clip.name for clip in clips if clip.name.startswith("twin")]
    assert told[-1] == (len(clips), len(clips))
    pages = read_pages(page.parent)
    assert broken_links(pages) == []
    listed = pages[page.parent / "clips-0001.html"]
    assert all(clip.name in listed.text for clip in clips)
    assert listed.tags.count("article") == len(clips)
    assert listed.text.count("nobody wrote it") == len(clips) - len(twins)
    aside = pages[page.parent / "set-aside.html"].text
    for reason in ("shorter than every bucket", "unreadable", "same content as another file", "duplicate"):
        assert reason in aside
    assert "blurred: sharpness" in listed.text and "Sharpness" in pages[page].text
    assert "sound, dBFS" in listed.text
    alike = pages[page.parent / "look-alikes.html"]
    assert len(twins) == 2 and all(name in alike.text for name in twins)
    assert alike.text.count("Group ") == 2 and "distance 0" in alike.text and alike.tags.count("img") == 4
    before = written(page.parent)
    assert browse(prepared.context, clips=4) == page and written(page.parent) == before


def test_previews_hold_every_frame_and_the_rest_a_still(prepared):
    folder = browse(prepared.context, clips=4).parent
    clips = all_clips(prepared.context)
    own = list((folder / "clip").glob("*.html"))
    assert len(own) == 4
    players = [path for path in (folder / "media").glob("*.mp4") if "decoded" not in path.name]
    assert len(players) == 4 * 4  # the clip, its reference, its mask over it, all side by side
    assert {len(frame_times(path)) for path in players} == {9}
    stills = [path for path in (folder / "media").glob("*.jpg") if len(path.stem) == 24]
    assert len(stills) >= len(clips)
    for path in players:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
            assert sum(1 for _ in container.decode(stream)) == 9
    sources = {path.read_text().split("<dt>source</dt><dd>")[1].split("<")[0] for path in own}
    assert len(sources) == 2  # in rounds over the films


def test_a_clip_has_a_page_of_its_own_with_its_rows(prepared):
    browse(prepared.context, clips=0)
    clip = all_clips(prepared.context)[-1]
    page = clip_page(prepared.context, clip.name)
    pages = read_pages(page.parents[1])
    text = pages[page].text
    assert str(clip.path) in text and clip.clip_id in text and "audio_latents" in text
    assert broken_links(pages) == []
    assert pages[page].tags.count("video") == 4


def test_latents_decode_back_beside_their_clip(prepared):
    clip = next(clip for clip in all_clips(prepared.context) if clip.has_audio)
    table, page = compare(prepared.context, clip.name)
    numbers = {(what, measure): float(value) for what, measure, value in table["rows"]}
    assert numbers["Video", "PSNR, dB"] > 18 and numbers["Video", "PSNR of the worst frame, dB"] > 16
    assert numbers["Sound", "bands' SNR, dB"] > 2
    assert ("Reference", "PSNR, dB") in numbers and ("Mask", "PSNR, dB") in numbers
    pages = read_pages(page.parents[1])
    assert broken_links(pages) == []
    film = next((page.parents[1] / "media").glob("*-latents-decoded.mp4"))
    assert len(frame_times(film)) == 9
    before = written(page.parents[1])
    assert compare(prepared.context, clip.name)[1] == page and written(page.parents[1]) == before


def test_pages_are_made_before_there_is_a_dataset_and_without_decoding(prepared, tmp_path, monkeypatch):
    (tmp_path / "footage").mkdir()
    for name in ("silent_film.mp4", "blink.mp4", "broken.mp4"):
        shutil.copy(prepared.config.workspace.parent / "footage" / name, tmp_path / "footage")
    pipe = open_pipeline(tmp_path)
    for stage in pipe.stages("clips"):
        for chunk in pipe.plan(stage).chunks:
            pipe.compute(stage, chunk)
    pipe.context.refresh()
    monkeypatch.setattr("ltx_core.media.decode.read_frames", None)
    page = browse(pipe.context, clips=0)
    text = read_pages(page.parent)[page].text
    assert "There is no dataset yet" in text
    assert not list((folder_of_pages(pipe.config) / "media").iterdir())
    titles = {table["title"]: len(table["rows"]) for table in show(pipe.context, "dataset")}
    assert titles == {"clips so far": len(all_clips(pipe.context)), "set aside": 2}


def test_imported_data_without_media_is_decoded_alone(prepared, tmp_path):
    rows = Rows(prepared.context, load_samples(prepared.context)[1])
    ranked = sorted(rows.samples.values(), key=lambda sample: not sample.has_audio)
    names = {sample.clip_id: f"film {number}/a" for number, sample in enumerate(ranked)}
    folder = export(rows, tmp_path / "public", names)
    pipe = open_pipeline(tmp_path, f"data.preprocessed_data_root={folder}", "dataset.source=/nowhere")
    for stage in ("imported", "text", "dataset"):
        for chunk in pipe.plan(stage).chunks:
            pipe.compute(stage, chunk)
    pipe.context.refresh()
    table, page = compare(pipe.context, "film 0/a")
    assert {row[0] for row in table["rows"]} == {"Video", "Sound", "Reference", "Mask"}
    assert all(row[2] == "no original to compare with" for row in table["rows"])
    pages = read_pages(page.parents[1])
    assert broken_links(pages) == [] and "film 0/a" in pages[page.parents[1] / "clips-0001.html"].text
    assert len(frame_times(next((page.parents[1] / "media").glob("*-latents-decoded.mp4")))) == 9
