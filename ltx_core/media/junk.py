"""What a file is that FFmpeg cannot read: a word for the reason, from its first bytes."""

from __future__ import annotations

from pathlib import Path

HEADS = (
    (b"PK\x03\x04", "a zip archive or office document, not a media file"),
    (b"%PDF", "a PDF document, not a media file"),
    (b"\x1f\x8b", "a gzip archive, not a media file"),
    (b"7z\xbc\xaf", "a 7z archive, not a media file"),
    (b"Rar!", "a rar archive, not a media file"),
    (b"\x7fELF", "a program, not a media file"),
    (b"MZ", "a program, not a media file"),
    (b"#EXTM3U", "a playlist, not a video: name the files that it lists"),
    (b"ffconcat", "a playlist, not a video: name the files that it lists"),
    (b"[playlist]", "a playlist, not a video: name the files that it lists"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file: run `git lfs pull`"),
)
TEXT = "a text file, not a video"
ENOUGH = 1024


def what_else(path: Path) -> str:
    """What the file seems to be instead of media, or ""."""
    try:
        with path.open("rb") as handle:
            head = handle.read(ENOUGH)
    except OSError:
        return ""
    head = head.removeprefix(b"\xef\xbb\xbf")
    known = next((word for start, word in HEADS if head.startswith(start)), "")
    return known or (TEXT if _is_text(head) else "")


def _is_text(head: bytes) -> bool:
    """Whether all bytes are printable characters of UTF-8 (one cut at the end does not count)."""
    for cut in range(4):
        try:
            text = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return bool(text) and all(char.isprintable() or char in "\r\n\t\f" for char in text)
    return False
