"""Stills, sounds, damaged files, files that are no media, odd names and links."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data.make.torture.case import FRAMES, Case, once, picture, tone
from data.make.torture.encode import Film, Sound, still_bytes

IMAGE = {"kind": "image", "width": 96, "height": 64, "frames": 1}
PLAIN = Film(sounds=(tone(2.0),), container={"movflags": "+faststart"})
SEEDS = (1, 2, 3)


def _still(name: str, data: Callable[[], bytes], **facts: object) -> Case:
    return Case(name, lambda path: once(data())(path), facts={**IMAGE, **facts}, counted=True, first=5)


def _turned_photo() -> bytes:
    """A photograph that lies on its side and says so."""
    from PIL import Image

    tags, out = Image.Exif(), io.BytesIO()
    tags[0x0112] = 6  # shown turned clockwise by 90 degrees
    Image.fromarray(np.rot90(picture(5))).save(out, "JPEG", quality=95, exif=tags)
    return out.getvalue()


def _in_mode(mode: str, form: str, **options: object) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture(5)).convert(mode).save(out, form, **options)
    return out.getvalue()


def _sixteen_bits() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    grey = picture(5).mean(axis=2)
    Image.fromarray((grey * 257).astype(np.uint16)).save(out, "PNG")
    return out.getvalue()


def _huge() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (7680, 4320), (40, 90, 150)).save(out, "PNG")
    return out.getvalue()


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("film.mp4", b"no film")
    return out.getvalue()


def _cut(seed: int) -> Callable[[Path], None]:
    """A film whose end is missing from a random byte on."""

    def make(path: Path) -> None:
        PLAIN(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * np.random.default_rng(seed).uniform(0.1, 0.9))])

    return make


def _without_index(path: Path) -> None:
    """A film whose recorder was stopped before it wrote the index."""
    Film()(path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])


def _zeroed(path: Path) -> None:
    """A film whose middle was lost: noise, which is large, so that frames are hit and not headers."""
    Film("libx264", options={"qp": "0", "x264-params": "keyint=1"}, size=(320, 192))(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    path.write_bytes(data)


def _locked(path: Path) -> None:
    Film(frames=40)(path)
    path.chmod(0)


def _link(to: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(to)


def _broken(name: str, make: Callable[[Path], None], reason: str, stage: str = "sources") -> Case:
    return Case(name, make, "rejected", reason=reason, stage=stage)  # type: ignore[arg-type]


def _named(name: str, number: int) -> Case:
    """A film of its own content under an odd name."""
    facts = {"kind": "video", "frames": FRAMES + number}
    return Case(name, Film(frames=FRAMES + number, form="mp4"), facts=facts, counted=True)


STILLS = [
    _still("still.png", lambda: still_bytes("PNG")),
    _still("photo.jpg", lambda: still_bytes("JPEG", quality=95)),
    _still("turned_photo.jpg", _turned_photo),
    _still("printed.jpg", lambda: _in_mode("CMYK", "JPEG", quality=95)),
    _still("see_through.png", lambda: _in_mode("RGBA", "PNG", compress_level=1), alpha=True),
    _still("palette.png", lambda: _in_mode("P", "PNG")),
    _still("sixteen_bits.png", _sixteen_bits),
    _still("still.webp", lambda: still_bytes("WEBP", lossless=True)),
    _still("still.tiff", lambda: still_bytes("TIFF")),
    _still("one_frame.gif", lambda: still_bytes("GIF")),
    _still("still_named.mp4", lambda: still_bytes("BMP")),
    Case("8k.png", lambda path: once(_huge())(path), facts={"kind": "image", "width": 7680, "height": 4320}),
]
SOUNDS = [
    _broken(f"sound.{end}", Sound(codec), "^audio, not a video$")
    for end, codec in {
        "mp3": "libmp3lame",
        "flac": "flac",
        "wav": "pcm_s16le",
        "ogg": "libopus",
        "m4a": "aac",
    }.items()
    if codec != "libopus"
]
SOUNDS += [
    _broken("sound.ogg", Sound("libopus", rate=48000), "^audio, not a video$"),
    _broken("cover.mp3", Sound("libmp3lame", cover=True), "^audio, not a video$"),
]
DAMAGED = [_broken(f"cut_{seed}.mp4", _cut(seed), "^(truncated|unreadable): ") for seed in SEEDS] + [
    _broken("zeroed.mp4", _zeroed, "^unreadable: .* frames can be decoded", "scenes"),
    _broken("no_index.mp4", _without_index, "^unreadable: damaged"),
    _broken("empty.mp4", once(b""), "^empty file$"),
    _broken("random.mp4", once(np.random.default_rng(7).bytes(20_000)), "^unreadable: damaged"),
    _broken("notes.mp4", once("My holiday, day one: rain.\n" * 40), "a text file, not a video"),
    _broken("page.mov", once("<!DOCTYPE html><html><body>404</body></html>\n"), "a text file, not a video"),
    _broken("list.mp4", once("ffconcat version 1.0\nfile plain.mp4\n"), "a playlist, not a video"),
    _broken(
        "stream.mp4", once("#EXTM3U\n#EXTINF:2,\nplain.mp4\n#EXT-X-ENDLIST\n"), "a playlist, not a video"
    ),
    _broken("packed.mov", lambda path: once(_zip())(path), "a zip archive"),
    _broken("pointer.mp4", once("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), "Git LFS"),
    _broken("torn.jpg", lambda path: once(still_bytes("JPEG")[:-700])(path), "^unreadable: damaged picture"),
]
NAMES = [
    _named("Überraschung 東京 \N{CLAPPER BOARD}.mp4", 1),
    _named('it\'s "quoted", & $HOME; `x`.mp4', 2),
    _named("two\nlines.mp4", 3),
    _named("50%03d off.mp4", 4),
    _named("-rf.mp4", 5),
    _named("http:film.mp4", 6),
    _named("NOEND", 7),
    _named("deep/er/UPPER.MP4", 8),
]
PLACES = [
    Case("second_name.mp4", _link("plain.mp4"), "again", reason="same content as"),
    _broken("nowhere.mp4", _link("gone.mp4"), "unreadable: No such file|missing"),
    _broken("circle.mp4", _link("circle.mp4"), "[Tt]oo many levels"),
    _broken("locked.mp4", _locked, "unreadable: Permission denied"),
    Case(".hidden.mp4", Film(frames=30), "ignored"),
    Case("._plain.mp4", once(b"\0\5\26\7"), "ignored"),
    Case("plain.txt", once("a colour that changes slowly"), "ignored"),
]
OTHERS = [*STILLS, *SOUNDS, *DAMAGED, *NAMES, *PLACES]
