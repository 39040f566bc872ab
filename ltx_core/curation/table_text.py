"""Rows of CSV, JSON, JSONL and Parquet files as plain mappings, or the place where a file cannot be read.

Design choices
- A damaged file must never become other rows: what two readers could take differently (a row that is shorter
  than the header, a key that stands twice, one byte that is not UTF-8 among many that are) is refused.
- Only line feeds end a line of JSONL: a caption may hold other line separators.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ltx_core.errors import LtxError

log = logging.getLogger(__name__)
Rows = Iterator[tuple[int, dict[str, Any]]]
"""Number of a row, from 1, and its values by column."""
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
MULTIBYTE = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
"""Signs beyond ASCII as UTF-8 writes them, which text of Windows hardly ever has."""
SHOWN = 60


class TableError(LtxError):
    """A dataset file that cannot be used: what was found, the rule and the fix."""


def read_rows(path: Path, read: Callable[[str], bool]) -> list[tuple[int, dict[str, Any]]]:
    """All rows of a dataset file, by the kind that its name says.

    Args:
        path: a `.csv`, `.json` (list of objects), `.jsonl` or `.parquet` file.
        read: says of a column's name whether its values matter; of others only the names are given.

    Raises:
        TableError: unreadable or malformed, naming the row.
    """
    try:
        if path.suffix.lower() == ".parquet":
            return list(_parquet(path, read))
        text = _decoded(path.read_bytes(), path)
        return list({".csv": _csv, ".json": _json, ".jsonl": _jsonl}[path.suffix.lower()](text, path))
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from error


def quoted(value: object) -> str:
    """A value in a message, not at any length."""
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python writes
        return f"a very long {type(value).__name__}"
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _decoded(data: bytes, path: Path) -> str:
    """UTF-8, UTF-16 by its mark, or Windows-1252 where nothing speaks for UTF-8."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return _strictly(data, encoding, path)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if MULTIBYTE.search(data):
            raise _damaged(data, "UTF-8", error.start, path) from error
        text = _strictly(data, "cp1252", path)
        log.warning("%s is not UTF-8 (byte %d); it is read as Windows-1252", path, error.start)
        return text


def _strictly(data: bytes, encoding: str, path: Path) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        names = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "UTF-8"}
        raise _damaged(data, names[encoding], error.start, path) from error


def _damaged(data: bytes, name: str, at: int, path: Path) -> TableError:
    line = data.count(b"\n", 0, at) + 1
    return TableError(f"{path}, line {line}: byte {at} is no {name} text; save the file as UTF-8 or mend it")


def _csv(text: str, path: Path) -> Rows:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 0
    try:
        names = next(reader, [])
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise TableError(f"{path}: the column {quoted(twice)} stands there twice; keep one of them")
        for values in reader:
            if not values:
                continue
            number += 1
            if len(values) != len(names):
                more = "more" if len(values) > len(names) else "fewer"
                raise TableError(
                    f"{path}, row {number}: {more} values than column names ({len(values)} for "
                    f'{", ".join(names)}); put text that has commas or line breaks in "double quotes", and '
                    "write a comma for each empty cell"
                )
            yield number, dict(zip(names, values, strict=True))
    except csv.Error as error:
        raise TableError(
            f"{path}, row {number + 1}: malformed CSV ({error}); a quote inside quoted text is written twice"
        ) from error


def _json(text: str, path: Path) -> Rows:
    rows = _parsed(text, str(path))
    if not isinstance(rows, list):
        raise TableError(
            f"{path} holds one {type(rows).__name__}; it must be a list of objects, one per video"
        )
    for number, row in enumerate(rows, start=1):
        yield number, _object(row, path, number)


def _jsonl(text: str, path: Path) -> Rows:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _object(_parsed(line, f"{path}, line {number}"), path, number)


def _parsed(text: str, where: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise TableError(f"{where}: the key {quoted(twice)} stands twice in one object; keep one of them")
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{where}: malformed JSON: {error}"[:500]) from error


def _object(row: Any, path: Path, number: int) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise TableError(
            f"{path}, row {number} is {quoted(row)}; every row must be an object with `video` and `caption`"
        )
    return dict(row)


def _parquet(path: Path, read: Callable[[str], bool]) -> Rows:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
            names: Collection[str] = file.schema_arrow.names
            if twice := next((name for name in names if list(names).count(name) > 1), None):
                raise TableError(f"{path}: the column {quoted(twice)} stands there twice; keep one of them")
            table = file.read(columns=[name for name in names if read(name)])
        table.validate(full=True)
        unread = [name for name in names if name not in table.column_names]
        rows = table.to_pylist() if table.num_columns else [{} for _ in range(table.num_rows)]
    except (pyarrow.ArrowException, ValueError, MemoryError, TypeError) as error:
        raise TableError(f"{path} is no Parquet file, or a damaged one: {error}"[:500]) from error
    for number, row in enumerate(rows, start=1):
        yield number, {**dict.fromkeys(unread), **row}
