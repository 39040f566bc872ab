"""Dataset files: one row per video in CSV, JSON, JSONL or Parquet, with the public trainer's columns.

Captions are data: quotes, line breaks, emoji and length are kept as they stand.
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltx_core.curation.options.rights import COLUMNS as RIGHTS
from ltx_core.curation.options.rights import SPELT, Rights, rights_of
from ltx_core.curation.table_text import TableError, quoted, read_rows
from ltx_core.errors import LegacyConfigWarning
from ltx_core.store.uri import ObjectUri, UriError, is_uri

__all__ = ["TableError", "TableRow", "read_table"]

FILE_COLUMNS = ("video", "audio", "reference_video", "reference_audio", "video_mask", "audio_mask")
FURTHER = "reference_video"
"""What further file columns begin with: `reference_video_2` is a second reference."""
TEXT_COLUMNS = ("caption", "split")
LEGACY = {
    "media_path": "video",
    "video_path": "video",
    "ref_media_path": "reference_video",
    "reference_path": "reference_video",
}
"""Older names of columns, and what they are called now."""
SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")
MISSPELT = 0.8
"""Likeness from which on an unknown column is taken for a misspelt one."""
NO_TEXT = re.compile("[\x00\ud800-\udfff\ufffe\uffff]")
"""Signs that no text has and no file can be named by: left by other encodings and by damage."""


@dataclass(frozen=True)
class TableRow:
    """One row: files are absolute or relative to the dataset file's folder, already joined.

    `line` is the row's number, from 1; a column that is missing or empty is None. `files` holds every file
    of the row by its column, further references among them; one in an object store by its address. `rights`:
    what its columns state of its licence.
    """

    line: int
    video: Path | ObjectUri | None = None
    audio: Path | ObjectUri | None = None
    caption: str | None = None
    reference_video: Path | ObjectUri | None = None
    reference_audio: Path | ObjectUri | None = None
    video_mask: Path | ObjectUri | None = None
    audio_mask: Path | ObjectUri | None = None
    split: str | None = None
    files: Mapping[str, Path | ObjectUri] = field(default_factory=dict, hash=False)
    rights: Rights = field(default_factory=Rights)

    @property
    def main(self) -> str:
        """Column of the file that clips are cut from: the video, or the sound where there is no video."""
        return "audio" if self.video is None else "video"


def read_table(
    path: Path, needed: tuple[str, ...] = ("video", "caption"), folder: Path | ObjectUri | None = None
) -> list[TableRow]:
    """The rows of a dataset file.

    Args:
        path: a `.csv`, `.json` (list of objects), `.jsonl` or `.parquet` file.
        needed: columns that must be there (values may be empty, but each row names a video or a sound).
        folder: what names of files are relative to; None: the folder of `path`.

    Raises:
        TableError: unreadable, malformed, without rows, or without a needed column.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise TableError(f"{path} is no dataset file; use one of {', '.join(SUFFIXES)}")
    rows = read_rows(path, lambda name: _is_read(LEGACY.get(name.strip(), name.strip())))
    if not rows:
        raise TableError(f"{path} holds no rows; write one row per video below the column names")
    raw = [(number, _renamed(row, path, number)) for number, row in rows]
    older = sorted({str(name).strip() for _, row in rows for name in row} & LEGACY.keys())
    if older:
        lines = "".join(f"\n  {name} -> {LEGACY[name]}" for name in older)
        warnings.warn(
            f"{path} has columns of an older form, which work as before; today they are named:{lines}",
            LegacyConfigWarning,
            stacklevel=2,
        )
    _check_columns(path, raw, needed)
    _check_spelling(path, raw)
    where = path.parent if folder is None else folder
    return [_row(path, where, number, values) for number, values in raw]


def _check_columns(path: Path, rows: list[tuple[int, dict[str, Any]]], needed: tuple[str, ...]) -> None:
    found = list(dict.fromkeys(name for _, row in rows for name in row))
    missing = [name for name in needed if name not in found]
    names = ", ".join(f"`{name}`" for name in missing)
    if "video" not in found and "audio" not in found and not missing:
        names = "`video` or `audio`"
    if names:
        listed = ", ".join(found) or "none"
        raise TableError(
            f"{path} has no column {names}; found: {listed[:200]}. A dataset file needs "
            f"the columns {', '.join(needed) or names}: rename or add it (cells of `caption` may be empty)"
        )


def _check_spelling(path: Path, rows: list[tuple[int, dict[str, Any]]]) -> None:
    """Refuse a column that is all but called like a known one which is not there: it would not be read."""
    looked_at: set[frozenset[str]] = set()
    for number, row in rows:
        names = frozenset(row)
        if names not in looked_at:
            looked_at.add(names)
            for name in sorted(names):
                if meant := _meant(name, names):
                    raise TableError(
                        f"{path}, row {number}: unknown column {quoted(name)}; did you mean `{meant}`? "
                        "Rename it (a column of your own needs a name that is less alike)"
                    )


def _meant(name: str, present: Collection[str]) -> str:
    if _is_read(name):
        return ""
    absent = [known for known in (*FILE_COLUMNS, *TEXT_COLUMNS) if known not in present]
    close = difflib.get_close_matches(name.lower().strip("\ufeff \t"), absent, 1, MISSPELT)
    return close[0] if close else ""


def _renamed(row: Mapping[str, Any], path: Path, number: int) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for name, value in row.items():
        plain = str(name).strip()
        plain = LEGACY.get(plain, plain)
        plain = plain if SPELT.get(plain, plain) in row else SPELT.get(plain, plain)
        if plain in renamed:
            raise TableError(
                f"{path}, row {number}: the column `{plain}` stands there twice; keep one of them"
            )
        renamed[plain] = value
    return renamed


def _row(path: Path, folder: Path | ObjectUri, number: int, values: Mapping[str, Any]) -> TableRow:
    fields: dict[str, Any] = {}
    files: dict[str, Path | ObjectUri] = {}
    for name, value in values.items():
        if not _is_known(name) or value is None or value == "":
            continue
        if not isinstance(value, str):
            raise TableError(f"{path}, row {number}: `{name}` is {quoted(value)}; it must be text")
        if wrong := NO_TEXT.search(value):
            raise TableError(
                f"{path}, row {number}: `{name}` has {quoted(wrong[0])}, which no text has; save the file as "
                "UTF-8"
            )
        if name in TEXT_COLUMNS:
            fields[name] = value
        elif value.strip():
            files[name] = _file(path, folder, number, name, value.strip())
    if "video" not in files and "audio" not in files:
        raise TableError(
            f"{path}, row {number}: `video` is empty and so is `audio`; every row must name a file"
        )
    fields |= {name: files[name] for name in FILE_COLUMNS if name in files}
    return TableRow(number, **fields, files=files, rights=rights_of(values))


def _file(path: Path, folder: Path | ObjectUri, number: int, name: str, value: str) -> Path | ObjectUri:
    """The file that a cell names."""
    if re.match("https?://", value, re.IGNORECASE):
        raise TableError(
            f"{path}, row {number}: `{name}` is a web address, which is not read; download the files and "
            "name them, or name objects as s3://bucket/key"
        )
    try:
        if is_uri(value):
            return ObjectUri.parse(value)
        return Path(value) if value.startswith("/") else folder / value
    except UriError as error:
        raise TableError(f"{path}, row {number}: `{name}` {error}") from error


def _is_known(name: str) -> bool:
    """Whether a column is read: those of the list, and further references."""
    return name in FILE_COLUMNS or name in TEXT_COLUMNS or name.startswith(FURTHER)


def _is_read(name: str) -> bool:
    """Whether a column's values matter: those that are known, and what is stated of licences."""
    return _is_known(name) or name in RIGHTS or name in SPELT
