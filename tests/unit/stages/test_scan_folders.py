"""Folders as people have them: links and loops, litter, odd names, what cannot be read, several sources."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from ltx_core.curation.options.sources import SourceOptions
from ltx_core.errors import ConfigError
from ltx_core.stages.scan import Scan, scan

ODD = (
    "a film.mp4",
    'it\'s "quoted" & <b>.mov',
    "línea\n2.mkv",
    "日本 🦊.mp4",
    "$HOME `x` %s.webm",
    "c\x1b[31m.mp4",
)
NOT_UTF8 = b"latin-\xe9\xff.mp4"


def scanned(*sources, cache, **how):
    options = [one if isinstance(one, SourceOptions) else SourceOptions(str(one)) for one in sources]
    return scan(options, Scan(cache, **how))


def put(path, content=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(path) if content is None else content)
    return path


def test_links_are_followed_once_and_loops_end(tmp_path):
    films, other = tmp_path / "films", tmp_path / "elsewhere"
    put(films / "z" / "one.mp4")
    put(other / "two.mp4")
    put(other / "deep" / "three.mp4")
    (films / "a_loop").symlink_to(films)
    (films / "z" / "up").symlink_to("..")
    (films / "b_other").symlink_to(other)
    (films / "c_other_again").symlink_to(other / "deep")
    (other / "deep" / "back").symlink_to(films / "z")
    (films / "round").symlink_to("round")
    (films / "film.mp4").symlink_to(other / "two.mp4")
    (films / "gone.mp4").symlink_to("no/such.mp4")
    (films / "gone.txt").symlink_to("no/such.txt")
    found = scanned(films, cache=tmp_path / "scan.sqlite")
    # Real folders go before links, and what a link leads to is walked whole before the next link.
    assert [(one.name, one.problem) for one in found] == [
        ("b_other/deep/three.mp4", ""),
        ("b_other/two.mp4", ""),
        ("film.mp4", ""),
        ("gone.mp4", "unreadable: No such file or directory (a link to no/such.mp4)"),
        ("round", "unreadable: Too many levels of symbolic links (a link to round)"),
        ("z/one.mp4", ""),
    ]


def test_litter_and_what_runs_write_is_passed_over_and_nothing_but_files_is_opened(tmp_path):
    films = tmp_path / "films"
    put(films / "one.mp4")
    for name in ("Thumbs.db", "desktop.ini", "._one.mp4", ".DS_Store", "one.txt", "one.json", "one.srt"):
        put(films / name)
    for name in (".precomputed/latents/x.pt", "__MACOSX/one.mp4", "$RECYCLE.BIN/two.mp4", "runs/a.mp4"):
        put(films / name)
    (films / "again").symlink_to(films / "runs")
    os.mkfifo(films / "pipe.mp4")
    os.mkfifo(films / "notes.txt")
    (films / "null.mp4").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(films / "s.mp4"))
        found = scanned(films, cache=films / "runs" / "scan.sqlite", exclude=(films / "runs",))
    assert {one.name: one.problem for one in found} == {
        "one.mp4": "",
        "pipe.mp4": "a pipe, not a file",
        "null.mp4": "a device, not a file",
        "s.mp4": "a socket, not a file",
    }


def test_odd_names_are_found_again_and_shown_without_signs_that_break_a_line(tmp_path):
    films, cache = tmp_path / "films", tmp_path / "scan.sqlite"
    for name in ODD:
        put(films / name)
    Path(os.fsdecode(os.fsencode(films) + b"/" + NOT_UTF8)).write_text("x")
    for _ in range(2):
        found = scanned(films, cache=cache)
        names = {one.name for one in found}
        assert names == {
            "línea\\n2.mkv",
            "c\\x1b[31m.mp4",
            "latin-\\xe9\\xff.mp4",
            ODD[0],
            ODD[1],
            ODD[3],
            ODD[4],
        }
        assert not any(one.problem for one in found) and all(one.path.exists() for one in found)
        assert {os.fsencode(one.path.name) for one in found} == {NOT_UTF8, *map(os.fsencode, ODD)}
        for one in found:
            one.name.encode(), one.digest.encode()
    Path(found[0].path).unlink()
    assert len(scanned(films, cache=cache)) == len(ODD)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_what_may_not_be_read_is_named_with_its_reason():
    root = Path(tempfile.mkdtemp())
    try:
        root.chmod(0o755)
        put(root / "films" / "one.mp4")
        put(root / "films" / "locked.mp4").chmod(0)
        put(root / "films" / "shut" / "two.mp4")
        (root / "films" / "shut").chmod(0)
        (root / "ws").mkdir()
        (root / "ws").chmod(0o777)
        os.seteuid(65534)
        try:
            found = scanned(root / "films", cache=root / "ws" / "scan.sqlite")
            with pytest.raises(ConfigError, match=r"films/shut cannot be read: .*make it readable"):
                scanned(root / "films" / "shut", cache=root / "ws" / "scan.sqlite")
        finally:
            os.seteuid(0)
        assert [(one.name, one.problem) for one in found] == [
            ("locked.mp4", "unreadable: Permission denied"),
            ("one.mp4", ""),
            ("shut/", "folder unreadable: Permission denied"),
        ]
        assert len({one.digest for one in found}) == 3
    finally:
        shutil.rmtree(root)


def test_a_file_and_patterns(tmp_path):
    for name in ("a/x1.mp4", "a/b/x2.mov", "a/b/c/y3.mp4", "d/x4.mkv", "a/x.txt", "e[1]/x5.mp4", "x6.mp4"):
        put(tmp_path / "films" / name)
    films, cache = tmp_path / "films", tmp_path / "scan.sqlite"
    expected = {
        "**/*.mp4": ["a/b/c/y3.mp4", "a/x1.mp4", "e[1]/x5.mp4", "x6.mp4"],
        "a/**/*.mp4": ["b/c/y3.mp4", "x1.mp4"],
        "a/*": ["x1.mp4"],
        "**/x?.{mov,mkv}": ["a/b/x2.mov", "d/x4.mkv"],
        "[!a]/*": ["d/x4.mkv"],
        "*/x[0-4].*": ["a/x1.mp4", "d/x4.mkv"],
        "a/**": ["b/c/y3.mp4", "b/x2.mov", "x1.mp4"],
        "e[1]": ["x5.mp4"],
        "x6.mp4": ["x6.mp4"],
    }
    for pattern, names in expected.items():
        assert [one.name for one in scanned(films / pattern, cache=cache)] == names, pattern
    with pytest.raises(ConfigError, match="holds no media file"):
        scanned(films / "*.avi", cache=cache)
    for wrong, says in {
        "film/**/*.mp4": r"film does not exist; did you mean .*/films\?",
        "films/x6.mp": r"x6\.mp does not exist; did you mean .*/films/x6\.mp4\?",
        "films/a/x.txt": r"x\.txt is a .txt file, no media; give a folder of videos",
        "films/{a,b*": r"the pattern \{a,b\* cannot be read",
    }.items():
        with pytest.raises(ConfigError, match=says):
            scanned(tmp_path / wrong, cache=cache)


def test_several_sources_keep_apart_what_is_whose(tmp_path):
    put(tmp_path / "films" / "a.mp4", "same")
    put(tmp_path / "films" / "b.mp4")
    put(tmp_path / "more" / "films" / "a.mp4", "same")
    put(tmp_path / "more" / "voice.wav")
    put(tmp_path / "more" / "set.csv", "audio,caption\nvoice.wav,a voice\n")
    found = scanned(
        tmp_path / "films",
        SourceOptions(str(tmp_path / "more" / "films"), weight=0.5, regularisation=True),
        SourceOptions(str(tmp_path / "more" / "set.csv"), name="voices", repeats=3, trigger="vx"),
        cache=tmp_path / "scan.sqlite",
        needed=(),
    )
    assert [one.name for one in found] == [
        "films/a.mp4",
        "films/b.mp4",
        "films (2)/a.mp4",
        "voices/voice.wav",
    ]
    assert found[0].digest == found[2].digest
    sets = [one.origin for one in found]
    assert sets[0] is sets[1] and (sets[0].weight, sets[0].repeats, sets[0].trigger) == (1.0, 1, None)
    assert (sets[2].name, sets[2].weight, sets[2].regularisation) == ("films (2)", 0.5, True)
    assert (sets[3].name, sets[3].repeats, sets[3].trigger) == ("voices", 3, "vx")
    assert sets[2].trigger == "" and found[3].row.caption == "a voice"
    (alone,) = scanned(tmp_path / "more" / "films", cache=tmp_path / "scan.sqlite")
    assert alone.name == "a.mp4"
