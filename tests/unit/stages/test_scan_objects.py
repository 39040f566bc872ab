"""Sources in an object store: listed, fetched once, beside their captions; trouble waited out or named."""

from __future__ import annotations

import hashlib
import json

import pytest
from object_server import BUCKET, CREDENTIALS, object_server

from ltx_core.curation.captioning.sidecar import sidecar_caption
from ltx_core.curation.options.sources import ObjectStoreOptions, SourceOptions
from ltx_core.errors import ConfigError
from ltx_core.stages.scan import Scan, scan
from ltx_core.store import object_store
from ltx_core.store.object_store import ObjectStore, ObjectStoreError
from ltx_core.store.uri import ObjectUri


@pytest.fixture(scope="module")
def running():
    with object_server() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    """The store, empty; troubles are waited out quickly."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(object_store, "WAITS", (0.01, 0.01, 0.01))
    running.clear()
    return running


def scanned(server, tmp_path, *paths, **how):
    options = ObjectStoreOptions(endpoint=server.endpoint)
    return scan(
        [SourceOptions(str(path)) for path in paths],
        Scan(tmp_path / "ws" / "s.sqlite", objects=options, **how),
    )


def test_a_prefix_is_fetched_once_with_the_captions_beside_its_films(server, tmp_path):
    films = {
        "a.mp4": b"one",
        "deep/日本 'q' + %41 🦊.mp4": b"two",
        "b.mov": b"one",
        "x": b"3",
        "x/y.mp4": b"four",
    }
    for name, body in films.items():
        server.put_as(f"set/{name}", body)
    for name in ("a.txt", "a.2.txt", "note.txt", ".hidden/a.mp4", "__MACOSX/b.mp4", "t.json"):
        server.put_as(f"set/{name}", name.encode())
    found = scanned(server, tmp_path, "s3://films/set/")
    assert {one.name: one.path.read_bytes() for one in found} == films
    assert [one.digest for one in found] == [
        hashlib.sha256(films[one.name]).hexdigest()[:32] for one in found
    ]
    assert server.fetched() == sorted(["set/a.2.txt", "set/a.txt", *(f"set/{name}" for name in films)])
    film = next(one for one in found if one.name == "a.mp4")
    assert (sidecar_caption(film.path, 1, 3), sidecar_caption(film.path, 2, 3)) == ("a.txt", "a.2.txt")
    assert film.path.parent.name == "set" and all(one.problem == "" for one in found)

    assert scanned(server, tmp_path, "s3://films/set") == found
    assert server.fetched() == []
    server.put_as("set/a.mp4", b"another")
    server.delete("set/a.txt")
    (tmp_path / "ws" / "objects" / "content").joinpath(found[2].digest[:2], found[2].digest).unlink()
    again = scanned(server, tmp_path, "s3://films/set")
    changed = {new.name for old, new in zip(found, again, strict=True) if old.digest != new.digest}
    assert changed == {"a.mp4"} and again[0].path.read_bytes() == b"another"
    assert server.fetched() == sorted(["set/a.mp4", f"set/{found[2].name}"])
    assert sidecar_caption(film.path, 1, 3) is None
    assert "hunter2" not in "".join(
        p.read_text("latin1") for p in (tmp_path / "ws").rglob("*") if p.is_file()
    )


def test_patterns_objects_and_nearest_names(server, tmp_path):
    server.put(set__a_mp4=b"1", set__b_mov=b"2", set__deep__c_mp4=b"3")
    names = {
        "s3://films": ["set/a.mp4", "set/b.mov", "set/deep/c.mp4"],
        "s3://films/set/**/*.mp4": ["a.mp4", "deep/c.mp4"],
        "s3://films/set/a.mp4": ["a.mp4"],
    }
    for path, expected in names.items():
        assert [one.name for one in scanned(server, tmp_path, path)] == expected
    for path, says in {
        "s3://films/sett": "does not exist; did you mean s3://films/set",
        "s3://films/set/a.mp": "did you mean s3://films/set/a.mp4",
        "s3://no-such-bucket": "does not exist; check the bucket's name",
        "s3://films/set/*.avi": "holds no media file",
    }.items():
        with pytest.raises(ConfigError, match=says):
            scanned(server, tmp_path, path)


def test_every_page_of_a_long_listing_is_read(server):
    from moto.s3.models import s3_backends

    backend = s3_backends["123456789012"]["aws"]
    names = {f"many/film {number:04d} ü.mp4" for number in range(1005)}
    for name in names:
        backend.put_object(BUCKET, name, b"x")
    listed = ObjectStore(server.endpoint).listing(ObjectUri(BUCKET, "many"))
    assert {one.uri.key for one in listed} == names and len(listed) == 1005


def test_dataset_files_name_objects_and_objects_lie_beside_files(server, tmp_path):
    server.put(set__films__a_mp4=b"a", set__voice_wav=b"voice", other__b_mp4=b"b")
    rows = [
        {"video": "films/a.mp4", "caption": "one", "audio": "voice.wav"},
        {"video": "../other/b.mp4", "caption": "two"},
        {"video": "films/gone.mp4", "caption": "three"},
        {"video": "s3://elsewhere/x.mp4", "caption": "four"},
    ]
    server.put_as("set/rows.json", json.dumps(rows).encode())
    found = scanned(server, tmp_path, "s3://films/set/rows.json")
    assert [(one.name, one.row.caption, one.problem) for one in found] == [
        ("a.mp4", "one", ""),
        ("b.mp4", "two", ""),
        ("gone.mp4", "three", "unreadable: no such object"),
        ("x.mp4", "four", "unreadable: no such object"),
    ]
    assert found[0].side["audio"].path.read_bytes() == b"voice"
    (tmp_path / "here.mp4").write_bytes(b"here")
    (tmp_path / "set.csv").write_text(
        "video,audio\ns3://films/other/b.mp4,\nhere.mp4,s3://films/set/voice.wav\n"
    )
    both = scanned(server, tmp_path, tmp_path / "set.csv", "s3://films/set/films")
    assert [one.name for one in both] == ["set.csv/b.mp4", "set.csv/here.mp4", "films/a.mp4"]
    assert both[0].digest == found[1].digest and both[1].side["audio"].digest == found[0].side["audio"].digest


def test_passing_trouble_is_waited_out_and_blocks_are_put_together(server, tmp_path, monkeypatch):
    monkeypatch.setattr(object_store, "BLOCK", 50_000)
    bodies = {f"set/{n}.mp4": bytes([n]) * 180_000 for n in range(4)}
    for key, body in bodies.items():
        server.put_as(key, body)
    left = {"503": 3, "500": 2, "tear": 3}

    def trouble(request):
        if request.method != "GET" or not request.key:
            return False
        for kind in left:
            if left[kind] and len(server.seen) % len(left) == list(left).index(kind):
                left[kind] -= 1
                fail = {"503": (503, "SlowDown"), "500": (500, "InternalError")}.get(kind)
                return request.fail(*fail) if fail else request.tear()
        return False

    server.fault = trouble
    found = scanned(server, tmp_path, "s3://films/set")
    assert {f"set/{one.name}": one.path.read_bytes() for one in found} == bodies
    assert sum(left.values()) == 0


def test_an_object_written_over_while_it_is_read_is_read_anew(server, tmp_path, monkeypatch):
    monkeypatch.setattr(object_store, "BLOCK", 1000)
    server.put_as("set/a.mp4", b"old" * 1000)

    def write_over(request):
        if request.method == "GET" and request.key and len(server.fetched()) > 0:
            server.fault = lambda request: False
            server.put_as("set/a.mp4", b"new" * 1000)
        return False

    server.fault = write_over
    (film,) = scanned(server, tmp_path, "s3://films/set")
    assert film.path.read_bytes() == b"new" * 1000


def test_what_is_denied_is_a_row_and_what_cannot_be_reached_ends_the_run(server, tmp_path):
    server.put(set__a_mp4=b"1", set__b_mp4=b"2")
    server.fault = lambda request: request.key == "set/a.mp4" and request.fail(403, "AccessDenied")
    found = scanned(server, tmp_path, "s3://films/set")
    assert [(one.name, one.problem) for one in found] == [
        ("a.mp4", "unreadable: access denied"),
        ("b.mp4", ""),
    ]
    server.fault = lambda request: request.fail(403, "AccessDenied")
    with pytest.raises(ConfigError, match=r"access denied.*AWS_ACCESS_KEY_ID"):
        scanned(server, tmp_path, "s3://films/set")
    server.fault = lambda request: request.fail(503, "SlowDown")
    with pytest.raises(ObjectStoreError, match=r"cannot be read: .*can be reached .* is kept"):
        scanned(server, tmp_path, "s3://films/set")
