"""The scan of a source folder: which files, in which order, and which of them are read."""

from __future__ import annotations

import os
import sqlite3
import threading
import time

import pytest

from ltx_core.curation.options.sources import SourceOptions
from ltx_core.errors import LtxError
from ltx_core.stages.scan import Scan, scan
from ltx_core.stages.scanning import digests


def scanned(source, cache, **how):
    return scan([SourceOptions(str(source))], Scan(cache, **how))


def test_media_in_order_without_hidden_files_and_notes_and_with_broken_links(tmp_path):
    source = tmp_path / "films"
    for name in ("b.mp4", "a/z.MKV", "a.mp4", "a/.hidden.mp4", ".cache/x.mp4", "a/b/c", "a.txt", "T.JSONL"):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (source / "linked.mp4").symlink_to(source / "b.mp4")
    (source / "broken.mp4").symlink_to(source / "nothing")
    found = scanned(source, tmp_path / "scan.sqlite")
    assert [one.name for one in found] == ["a/b/c", "a/z.MKV", "a.mp4", "b.mp4", "broken.mp4", "linked.mp4"]
    assert [one.path for one in found] == [source / one.name for one in found]
    assert found[3].digest == found[5].digest != found[2].digest
    assert [one.name for one in found if one.problem] == ["broken.mp4"]


def test_what_runs_write_into_the_folder_is_no_footage(tmp_path):
    for name in ("a.mp4", "workspace/runs/demo/samples/after/01.mp4", "outputs/x.mp4", "b/workspace/c.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    own = (tmp_path / "workspace", tmp_path / "outputs")
    found = scanned(tmp_path, tmp_path / "workspace" / "scan.sqlite", exclude=own)
    assert [one.name for one in found] == ["a.mp4", "b/workspace/c.mp4"]


def test_a_kill_loses_little_and_reading_holds_up_no_other_scan(tmp_path, monkeypatch):
    source, cache = tmp_path / "films", tmp_path / "scan.sqlite"
    source.mkdir()
    for name in ("a", "b"):
        (source / f"{name}.mp4").write_text(name * 20)
    digest, first_is_read = digests.digest_file, threading.Event()
    monkeypatch.setattr(digests, "COMMIT_SECONDS", 0.05)

    def killed_at_b(path):
        if path.name == "a.mp4":
            first_is_read.set()
            return digest(path)
        first_is_read.wait()
        time.sleep(0.3)
        with sqlite3.connect(cache, timeout=0) as other:  # not locked, and what was read is in it
            other.execute("INSERT INTO files VALUES ('other', 1, 1, 'x')")
            seen.update(path for (path,) in other.execute("SELECT path FROM files"))
        raise KeyboardInterrupt

    seen = set()
    monkeypatch.setattr(digests, "digest_file", killed_at_b)
    with pytest.raises(KeyboardInterrupt):
        scanned(source, cache)
    assert seen == {"other", str(source / "a.mp4")}


def test_only_changed_files_are_read_again(tmp_path, monkeypatch):
    source, read = tmp_path / "films", []
    source.mkdir()
    for name in ("a", "b", "c"):
        (source / f"{name}.mp4").write_text(name)
    digest = digests.digest_file
    monkeypatch.setattr(digests, "digest_file", lambda path: (read.append(path.name), digest(path))[1])
    first = scanned(source, tmp_path / "scan.sqlite")
    assert sorted(read) == ["a.mp4", "b.mp4", "c.mp4"]
    assert scanned(source, tmp_path / "scan.sqlite") == first and len(read) == 3
    (source / "b.mp4").write_text("longer")
    os.utime(source / "c.mp4", ns=(1, 1))
    second = scanned(source, tmp_path / "scan.sqlite")
    assert sorted(read[3:]) == ["b.mp4", "c.mp4"]
    assert [a.digest == b.digest for a, b in zip(first, second, strict=True)] == [True, False, True]
    assert scanned(source, tmp_path / "scan.sqlite") == second and len(read) == 5


def test_a_damaged_cache_is_made_anew(tmp_path):
    source, cache = tmp_path / "films", tmp_path / "scan.sqlite"
    source.mkdir()
    (source / "a.mp4").write_text("a")
    first = scanned(source, cache)
    cache.write_bytes(b"this is no database, but long enough to be looked at" * 100)
    assert scanned(source, cache) == first
    assert scanned(source, cache) == first


def test_every_other_file_of_a_row_is_digested_beside_its_main_one(tmp_path):
    for name in ("film.mp4", "voice.wav", "edges.mp4"):
        (tmp_path / name).write_text(name)
    (tmp_path / "clips.csv").write_text(
        "video,caption,audio,reference_video,reference_video_2,audio_mask\n"
        "film.mp4,a film,voice.wav,edges.mp4,film.mp4,none.wav\n"
        ",a voice,voice.wav,,,\n"
    )
    film, voice = scanned(tmp_path / "clips.csv", tmp_path / "scan.sqlite")
    assert film.path.name == "film.mp4" and voice.path.name == "voice.wav" and voice.side == {}
    assert list(film.side) == ["audio", "reference_video", "reference_video_2", "audio_mask"]
    assert film.side["audio"].digest == voice.digest
    assert film.side["reference_video_2"].digest == film.digest
    assert film.side["audio_mask"].problem == "unreadable: No such file or directory"
    film.side["audio"].check()
    (tmp_path / "voice.wav").write_text("another voice")
    with pytest.raises(LtxError, match=r"voice\.wav was changed while the run was reading it"):
        film.side["audio"].check()
