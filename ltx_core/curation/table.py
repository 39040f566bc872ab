"""Dataset files: one row per video in CSV, JSON, JSONL or Parquet, with the public trainer's columns.

Captions are data: quotes, line breaks, emoji and length are kept as they stand.
"""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltx_core.curation.sidecar import decode_text
from ltx_core.errors import LegacyConfigWarning, LtxError

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


class TableError(LtxError):
    """A dataset file that cannot be used: what was found, the rule and the fix."""


@dataclass(frozen=True)
class TableRow:
    """One row: paths are absolute or relative to the dataset file's folder, already joined.

    `line` is the row's number, from 1; a column that is missing or empty is None. `files` holds every file
    of the row by its column, further references among them.
    """

    line: int
    video: Path | None = None
    audio: Path | None = None
    caption: str | None = None
    reference_video: Path | None = None
    reference_audio: Path | None = None
    video_mask: Path | None = None
    audio_mask: Path | None = None
    split: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict, hash=False)

    @property
    def main(self) -> str:
        """Column of the file that clips are cut from: the video, or the sound where there is no video."""
        return "audio" if self.video is None else "video"


def read_table(path: Path, needed: tuple[str, ...] = ("video", "caption")) -> list[TableRow]:
    """The rows of a dataset file.

    Args:
        path: a `.csv`, `.json` (list of objects), `.jsonl` or `.parquet` file.
        needed: columns that must be there (values may be empty, but each row names a video or a sound).

    Raises:
        TableError: unreadable, malformed, without rows, or without a needed column.
    """
    readers = {".csv": _csv, ".json": _json, ".jsonl": _jsonl, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise TableError(f"{path} is no dataset file; use one of {', '.join(SUFFIXES)}")
    try:
        rows = list(reader(path))
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from error
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
    return [_row(path, number, values) for number, values in raw]


def _check_columns(path: Path, rows: list[tuple[int, dict[str, Any]]], needed: tuple[str, ...]) -> None:
    found = list(dict.fromkeys(name for _, row in rows for name in row))
    missing = [name for name in needed if name not in found]
    names = ", ".join(f"`{name}`" for name in missing)
    if "video" not in found and "audio" not in found and not missing:
        names = "`video` or `audio`"
    if names:
        raise TableError(
            f"{path} has no column {names}; found: {', '.join(found) or 'none'}. A dataset file needs "
            f"the columns {', '.join(needed) or names}: rename or add it (cells of `caption` may be empty)"
        )


def _renamed(row: Mapping[str, Any], path: Path, number: int) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for name, value in row.items():
        plain = str(name).strip()
        plain = LEGACY.get(plain, plain)
        if plain in renamed:
            raise TableError(
                f"{path}, row {number}: the column `{plain}` stands there twice; keep one of them"
            )
        renamed[plain] = value
    return renamed


def _row(path: Path, number: int, values: Mapping[str, Any]) -> TableRow:
    fields: dict[str, Any] = {}
    files: dict[str, Path] = {}
    for name, value in values.items():
        if not _is_known(name) or value is None or value == "":
            continue
        if not isinstance(value, str):
            raise TableError(f"{path}, row {number}: `{name}` is {value!r}; it must be text")
        if name in TEXT_COLUMNS:
            fields[name] = value
        else:
            files[name] = path.parent / value.strip()
    if "video" not in files and "audio" not in files:
        raise TableError(
            f"{path}, row {number}: `video` is empty and so is `audio`; every row must name a file"
        )
    fields |= {name: files[name] for name in FILE_COLUMNS if name in files}
    return TableRow(number, **fields, files=files)


def _is_known(name: str) -> bool:
    """Whether a column is read: those of the list, and further references."""
    return name in FILE_COLUMNS or name in TEXT_COLUMNS or name.startswith(FURTHER)


def _csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    text = io.StringIO(decode_text(path.read_bytes(), path), newline="")
    reader = csv.DictReader(text, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            if None in row:
                names = ", ".join(reader.fieldnames or ())
                raise TableError(
                    f"{path}, row {number}: more values than column names ({names}); "
                    'put text that has commas or line breaks in "double quotes"'
                )
            yield number, row
    except csv.Error as error:
        raise TableError(
            f"{path}, row {number + 1}: malformed CSV ({error}); a quote inside quoted text is written twice"
        ) from error


def _json(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        rows = json.loads(decode_text(path.read_bytes(), path))
    except ValueError as error:
        raise TableError(f"{path} is malformed JSON: {error}") from error
    if not isinstance(rows, list):
        raise TableError(
            f"{path} holds one {type(rows).__name__}; it must be a list of objects, one per video"
        )
    for number, row in enumerate(rows, start=1):
        yield number, _object(row, path, number)


def _jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    # Only line feeds end a line here: a caption may hold other line separators.
    lines = decode_text(path.read_bytes(), path).split("\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise TableError(f"{path}, line {number}: malformed JSON: {error}") from error
            yield number, _object(row, path, number)


def _object(row: Any, path: Path, number: int) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise TableError(
            f"{path}, row {number} is {row!r}; every row must be an object with `video` and `caption`"
        )
    return row


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(path).read()
    except pyarrow.ArrowException as error:
        raise TableError(f"{path} is no Parquet file: {error}") from error
    names = {name: name.strip() for name in table.column_names}
    unknown = [name for name, plain in names.items() if plain not in LEGACY and not _is_known(plain)]
    table = table.drop_columns(unknown) if len(unknown) < table.num_columns else table
    for number, row in enumerate(table.to_pylist(), start=1):
        yield number, {**dict.fromkeys(unknown), **row}
