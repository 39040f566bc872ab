"""What users give: bad media and odd captions are data, mistakes are messages; what is computed is kept."""

from __future__ import annotations

import csv
import html
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from cli import Clone, new_rows, rows
from PIL import Image

from ltx_core.media.write import write_video

ODD = {
    "quotes": "she said \"it's\" `fine`, <script>alert('x')</script> & <b>bold</b>",
    "lines": "first line\n\nthird line,\twith a tab; and a comma",
    "emoji": "a fox 🦊 in the snow ❄️ 日本語 ñ",
    "long": "a long tale of one colour " * 400,
}


BESIDE = ODD["quotes"] + "\n" + ODD["emoji"]


def film(path: Path, frames: int = 48, sound: float | None = 0.3, seed: int = 0) -> Path:
    """A film of one scene at 24 fps, with a tone of an amplitude or no sound at all."""
    rng = np.random.default_rng(seed)
    ground = np.kron(rng.integers(0, 255, (6, 6, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
    pictures = np.stack([np.roll(ground, number // 2, 1) for number in range(frames)])
    wave = None
    if sound is not None:
        times = np.arange(round(frames / 24 * 48000)) / 48000
        wave = np.tile((sound * np.sin(2 * np.pi * 300 * times)).astype(np.float32), (2, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, pictures, 24, wave, 48000)
    return path


def bad_films(folder: Path) -> dict[str, str]:
    """Files of no use, and what is said of each."""
    film(folder / "short.mp4", frames=6)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("these are words, not a film\n" * 100)
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(20_000))
    whole = film(folder / "torn.mp4").read_bytes()
    (folder / "torn.mp4").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (200, 100), "red").save(folder / "picture.png")
    return {
        "short.mp4": "shorter than every bucket",
        "empty.mp4": "empty file",
        "text.mp4": "unreadable",
        "noise.mp4": "unreadable",
        "torn.mp4": "truncated",
        "picture.png": "image: no bucket of one frame",
    }


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, dict[str, str]]:
    """A dataset file of good films with odd captions and of bad files, after a run."""
    own = (
        "dataset.source=films/films.csv",
        "dataset.max_rejected_fraction=0.9",
        "validation.heldout_samples=9",
    )
    clone = Clone.make(tmp_path_factory.mktemp("input") / "clone", *own)
    folder = clone.folder / "films"
    bad = bad_films(folder)
    for number, name in enumerate((*ODD, "beside", "plain")):
        film(folder / f"{name}.mp4", seed=number)
    film(folder / "mute.mp4", sound=0.0, seed=20)
    film(folder / "deaf.mp4", sound=None, seed=21)
    (folder / "beside.txt").write_text(BESIDE, encoding="utf-8")
    with (folder / "films.csv").open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(("video", "caption", "split"))
        table.writerows((f"{name}.mp4", text, "heldout") for name, text in ODD.items())
        table.writerows((f"{name}.mp4", "", "heldout") for name in ("beside", "plain"))
        table.writerows((f"{name}.mp4", "", "train") for name in ("mute", "deaf"))
        table.writerows((name, "a caption", "train") for name in (*bad, "gone.mp4"))
    clone.ltx("run", "configs/demo.yaml")
    return clone, {**bad, "gone.mp4": "No such file"}


@pytest.mark.prove
def test_bad_files_are_rows_with_reasons_and_stand_in_the_report(given: tuple[Clone, dict[str, str]]):
    clone, bad = given
    listed = text_of(clone)
    output = clone.ltx("stage", "clips", "configs/demo.yaml")
    assert f"{len(bad) - 2} rejected" in output  # all but the short one and the picture, which can be read
    for name, reason in bad.items():
        assert any(name in line and reason in line for line in listed), (name, reason)
    found = rows(clone.workspace)
    reasons = sorted(row.reason for row in found["audio_latents"].values() if not row.ok)
    assert reasons[0] == "no audio stream"
    assert reasons[1].startswith("silent: ")
    assert len(found["latents"]) == len(ODD) + 4, "films without sound train too"


@pytest.mark.prove
def test_films_without_sound_train_the_video_alone(given: tuple[Clone, dict[str, str]]):
    clone, _ = given
    metrics = pq.ParquetFile(clone.run_folder() / "metrics.parquet").read().to_pylist()
    steps = [row for row in metrics if row["step"] > 0]
    assert {row["loss_audio"] for row in steps} == {None}
    assert all(row["loss_video"] > 0 for row in steps)
    page = " ".join(text_of(clone))
    assert "2 clips have no sound: mute.mp4 #1, deaf.mp4 #1" in page
    assert "add nothing to the audio loss" in page


@pytest.mark.prove
def test_captions_are_data(given: tuple[Clone, dict[str, str]]):
    clone, _ = given
    stored = {str(row.columns["caption"]) for row in rows(clone.workspace)["captions"].values()}
    assert {*ODD.values(), BESIDE} <= stored
    page = (clone.run_folder() / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<b>bold" not in page
    assert "&lt;script&gt;alert" in page
    shown = html.unescape(page)
    assert [name for name, text in ODD.items() if text[:20] not in shown] == []
    assert "long.mp4 #1" in page.split("longer than the encoder")[1]


@pytest.mark.prove
def test_too_much_rejected_ends_the_run_and_a_higher_share_goes_on(given: tuple[Clone, dict[str, str]]):
    clone, _ = given
    before = rows(clone.workspace)
    output = clone.ltx(
        "run", "configs/demo.yaml", "dataset.max_rejected_fraction=0.3", "dataset.holdout.seed=1", code=1
    )
    assert (
        "5 of 13 clips were set aside (38%); at most 30% may be (`dataset.max_rejected_fraction`)" in output
    )
    assert "noise.mp4: unreadable" in output
    assert new_rows(before, rows(clone.workspace)) == {}


def text_of(clone: Clone) -> list[str]:
    """Rows of the report's tables as plain lines."""
    page = (clone.run_folder() / "report.html").read_text(encoding="utf-8")
    return [html.unescape(re.sub(r"<[^>]+>", " ", row)) for row in page.split("<tr")]
