"""Captions in text files beside a video: `<stem>.<n>.txt` for its clip n, `<stem>.txt` for all of them."""

from __future__ import annotations

import codecs
import logging
from pathlib import Path

log = logging.getLogger(__name__)
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def sidecar_caption(source_path: Path, clip_index: int, clips_in_source: int) -> str | None:
    """The caption beside `source_path` for its clip `clip_index` (from 1), or None when there is no file.

    The text is kept as it stands, but for line breaks at its end. A file that is not UTF-8 is read as
    Windows-1252, with a warning.
    """
    names = [f"{source_path.stem}.{clip_index}.txt", f"{source_path.stem}.txt"]
    del clips_in_source
    for name in names:
        path = source_path.with_name(name)
        if path.is_file():
            return decode_text(path.read_bytes(), path).rstrip("\r\n")
    return None


def decode_text(data: bytes, path: Path) -> str:
    """Text in UTF-8 or UTF-16 (by its mark), else in Windows-1252 with a warning that names `path`."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        log.warning("%s is not UTF-8 (byte %d); it is read as Windows-1252", path, error.start)
        return data.decode("cp1252", "replace")
