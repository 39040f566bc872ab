"""What a mode does not use of a file, or an option has no meaning for, sets nothing aside."""

from __future__ import annotations

import os
import shutil

import numpy as np
import picture_files
import pytest
import sound_files
from PIL import Image

from data.make.torture import encode
from data.make.torture.films import PQ
from ltx_core.errors import LtxError
from ltx_core.media import probe
from ltx_core.media.errors import MediaError, MediaGoneError
from ltx_core.media.write import write_video
from ltx_core.stages.clips import all_clips

BUCKETS = "dataset.buckets=[64x64x9,64x64x1]"


def film(path, frames=18, **options):
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 255, (1, 16, 16, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    write_video(path, np.repeat(noise, frames, 0), 8.0, **options)


def hum(seconds, rate=16000):
    wave = 0.4 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, wave]).astype(np.float32)


def test_a_film_of_hdr_with_borders_gives_its_sound(tmp_path, monkeypatch):
    def bordered(number, width, height):
        frame = np.zeros((height, width, 3), np.uint8)
        frame[height // 4 : -height // 4] = plain(number, width, height)[height // 4 : -height // 4]
        return frame

    plain = encode.picture
    monkeypatch.setattr(encode, "picture", bordered)
    folder = tmp_path / "films"
    folder.mkdir()
    encode.Film("libx265", "yuv420p10le", PQ, sounds=(hum(3.0),))(folder / "wide.mp4")
    sound = sound_files.pipeline(tmp_path / "ws", folder, "dataset.duration_buckets=[0.5]")
    sound_files.prepare(sound, "clips")
    assert [row.reason for _, row in sound.context.results("scenes")] == [""]
    assert all_clips(sound.context)
    seen = picture_files.pipeline(tmp_path / "ws", folder, "", BUCKETS, "dataset.hdr=tonemap")
    assert picture_files.prepare(seen, "scenes")["scenes"] == 1, "pictures need the borders"
    ((_, row),) = seen.context.results("scenes")
    assert all(scene["borders"] is not None for scene in row.columns["scenes"])


def test_a_still_is_taken_whole_whatever_is_left_out_of_films(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(folder / "still.png")
    film(folder / "film.mp4", 27)
    keys = {}
    for options in ((), ("dataset.scenes={skip_start: 1.0, skip_end: 2f, duration: 1.5}",)):
        pipe = picture_files.pipeline(tmp_path / "ws", folder, "", BUCKETS, *options)
        picture_files.prepare(pipe, "clips")
        found = {item.name: (item, row) for item, row in pipe.context.results("scenes")}
        assert found["still.png"][1].reason == ""
        keys[bool(options)] = found["still.png"][0].key
        assert {clip.file.name for clip in all_clips(pipe.context)} == {"film.mp4", "still.png"}
    (part,) = found["film.mp4"][1].columns["scenes"]
    assert (part["start_frame"], part["end_frame"]) == (8, 20)
    stage, (source,) = (
        pipe.registry["scenes"],
        [row for item, row in pipe.context.results("sources") if item.name == "still.png"],
    )
    plain = stage.key(pipe.context, [source.content_digest])
    assert keys[True] != plain, "a store may hold the still as set aside by these options"


def test_damaged_sound_that_the_mode_does_not_use_leaves_the_caption(tmp_path, caplog):
    folder = tmp_path / "films"
    folder.mkdir()
    film(folder / "film.mp4", 9)
    (folder / "voice.wav").write_bytes(b"RIFF" + bytes(200))
    table = sound_files.table(
        tmp_path / "films.jsonl", video=[folder / "film.mp4"], audio=[folder / "voice.wav"]
    )
    captioner = "dataset.captions={captioner: describe}"
    pipe = picture_files.pipeline(tmp_path / "ws", table, "", BUCKETS, captioner)
    picture_files.prepare(pipe, "captions")
    ((item, row),) = pipe.context.results("captions")
    assert (row.status, row.reason) == ("ok", "") and "sound" not in row.columns["caption"]
    assert f"{item.name}: captioned without its sound" in caplog.text

    both = "training_strategy={video: {}, audio: {}}"
    heard = picture_files.pipeline(tmp_path / "other", table, "", BUCKETS, captioner, both)
    picture_files.prepare(heard, "captions")
    ((_, row),) = heard.context.results("captions")
    assert row.status == "rejected", "here the sound is trained on"


def test_sound_that_cannot_be_reached_still_stops_the_run(tmp_path, monkeypatch):
    folder = tmp_path / "films"
    folder.mkdir()
    film(folder / "film.mp4", 9)
    pipe = picture_files.pipeline(
        tmp_path / "ws", folder, "", BUCKETS, "dataset.captions={captioner: describe}"
    )
    picture_files.prepare(pipe, "scores")

    def gone(clip, rate):
        raise MediaGoneError("no such file", clip.path)

    monkeypatch.setattr(pipe.context.models, "sound", gone)
    with pytest.raises(MediaError, match="make it readable again"):
        picture_files.prepare(pipe, "captions")
    assert not pipe.context.store.rows("captions")


@pytest.mark.parametrize("damaged", [False, True])
def test_a_file_that_is_written_over_while_it_is_probed_gets_no_row(tmp_path, monkeypatch, damaged):
    folder = tmp_path / "films"
    folder.mkdir()
    path = folder / "film.mp4"
    film(path, 9)
    film(tmp_path / "later.mp4", 18)
    pipe = picture_files.pipeline(tmp_path / "ws", folder, "", BUCKETS)
    first = probe.probe

    def replaced(found):
        if damaged:
            found.write_bytes(b"half of it")
        else:
            shutil.copy(tmp_path / "later.mp4", found)
        os.utime(found, (1, 1))
        return first(found)

    monkeypatch.setattr(probe, "probe", replaced)
    with pytest.raises(LtxError, match="was changed while the run was reading it"):
        picture_files.prepare(pipe, "sources")
    assert not pipe.context.store.rows("sources")
