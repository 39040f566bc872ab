"""What lies in the source folder or the dataset file, with content digests remembered by (path, size, mtime).

A second scan of unchanged files reads none of them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ltx_core.curation.options.sources import SourceSet
from ltx_core.curation.table import TableRow, read_table
from ltx_core.errors import ConfigError, LtxError
from ltx_core.store.disk import explain
from ltx_core.store.keys import digest_file

TABLE_SUFFIXES = {".csv", ".json", ".jsonl", ".parquet"}
BESIDE_SUFFIXES = {".txt", ".md", ".srt", ".vtt", ".yaml", ".yml", ".log"} | TABLE_SUFFIXES
"""Files that stand beside media: captions, notes, tables. Every other file is taken for media."""

Known = dict[tuple[str | int, ...], str]
"""(path, size, mtime) -> digest."""

LARGE = 16 << 20
"""Bytes from which on a file is not read while the cache is locked: another run would give up waiting for it,
and a kill would lose what was read before."""


@dataclass(frozen=True)
class SideFile:
    """A file that a row of the dataset file names beside its main one: given sound, a reference, a mask.

    Attributes:
        path: where it lies.
        digest: of its bytes.
        problem: why it cannot be read at all, or "".
        stamp: (size, mtime) when its digest was taken.
    """

    path: Path
    digest: str
    problem: str = ""
    stamp: tuple[int, int] = (0, 0)

    def check(self) -> None:
        """Refuse a file that was written over since the scan.

        Raises:
            LtxError: when its size or time of change differs.
        """
        _check_stamp(self.path, self.stamp)


@dataclass(frozen=True)
class SourceFile:
    """One media file.

    Attributes:
        path: where it lies.
        name: relative to the source folder, for people.
        digest: of its bytes.
        row: its line in the dataset file, where the source is one.
        problem: why it cannot be read at all, or "".
        stamp: (size, mtime) when its digest was taken.
        side: the other files of its line, by column.
        origin: the source of the list `dataset.source` that it lies in.
    """

    path: Path
    name: str
    digest: str
    row: TableRow | None = None
    problem: str = ""
    stamp: tuple[int, int] = (0, 0)
    side: Mapping[str, SideFile] = field(default_factory=dict, hash=False)
    origin: SourceSet = field(default_factory=SourceSet)

    def check(self) -> None:
        """Refuse a file that was written over since the scan: its results would bear another content's name.

        Raises:
            LtxError: when its size or time of change differs.
        """
        _check_stamp(self.path, self.stamp)


def _check_stamp(path: Path, stamp: tuple[int, int]) -> None:
    try:
        stat = path.stat()
    except OSError:
        return  # what reads it says so
    if (stat.st_size, stat.st_mtime_ns) != stamp:
        raise LtxError(
            f"{path} was changed while the run was reading it; run the same command when it "
            "stays the same. What was computed before is kept"
        )


def scan(
    source: Path, cache: Path, needed: tuple[str, ...] = ("video",), exclude: Collection[Path] = ()
) -> list[SourceFile]:
    """All media files of `source`, ordered by name.

    Args:
        source: a folder or a dataset file.
        cache: file that remembers digests.
        needed: columns that a dataset file must have.
        exclude: folders inside `source` that are none of it: what runs write is no footage.

    Raises:
        ConfigError: when `source` does not exist or holds no file.
    """
    if not source.exists():
        raise ConfigError(
            f"dataset.source {source} does not exist; give a folder of videos or a dataset file "
            "(CSV, JSON, JSONL, Parquet)"
        )
    pairs = list(_from_table(source, needed) if source.is_file() else _from_folder(source, exclude))
    if not pairs:
        raise ConfigError(
            f"dataset.source {source} holds no media file; put videos there or name another folder"
        )
    return digested(pairs, cache)


def digested(pairs: Iterable[tuple[Path, str, TableRow | None]], cache: Path) -> list[SourceFile]:
    """Files (path, name, line of the dataset file) with their digests, which `cache` remembers."""
    with closing(_open(cache)) as connection, connection:
        known = {tuple(state): found for *state, found in connection.execute("SELECT * FROM files")}
        return [_digested(connection, known, *pair) for pair in pairs]


def _from_folder(source: Path, exclude: Collection[Path]) -> Iterator[tuple[Path, str, TableRow | None]]:
    def refuse(error: OSError) -> None:
        raise ConfigError(
            f"dataset.source {source} cannot be read: {error}; make it readable or name another folder"
        ) from error

    found: list[tuple[tuple[str, ...], Path]] = []
    for folder, folders, files in os.walk(source, onerror=refuse):
        here = Path(folder)
        folders[:] = [name for name in folders if not name.startswith(".") and here / name not in exclude]
        parts = here.relative_to(source).parts
        found += [((*parts, name), here / name) for name in files if _is_media(name)]
    for names, path in sorted(found):
        if path.is_file() or path.is_symlink():  # a link to nowhere is named, not passed over
            yield path, "/".join(names), None


def _is_media(name: str) -> bool:
    """Whether a file is taken for media by its name."""
    _, dot, suffix = name.rpartition(".")
    return not name.startswith(".") and dot + suffix.lower() not in BESIDE_SUFFIXES


def _from_table(source: Path, needed: tuple[str, ...]) -> Iterator[tuple[Path, str, TableRow | None]]:
    if source.suffix.lower() not in TABLE_SUFFIXES:
        raise ConfigError(
            f"dataset.source {source} is a {source.suffix or 'nameless'} file; "
            f"give a folder or a dataset file ({', '.join(sorted(TABLE_SUFFIXES))})"
        )
    for row in read_table(source, needed):
        path = row.files[row.main]
        yield path, path.name, row


def _digested(
    connection: sqlite3.Connection, known: Known, path: Path, name: str, row: TableRow | None
) -> SourceFile:
    main = _side_file(connection, known, path)
    others = {} if row is None else {name: other for name, other in row.files.items() if name != row.main}
    side = {column: _side_file(connection, known, other) for column, other in others.items()}
    return SourceFile(path, name, main.digest, row, main.problem, main.stamp, side)


def _side_file(connection: sqlite3.Connection, known: Known, path: Path) -> SideFile:
    try:
        stat = path.stat()
        state = (str(path), stat.st_size, stat.st_mtime_ns)
        found = known.get(state)
        if found is None:
            if stat.st_size > LARGE:
                connection.commit()
            found = digest_file(path)
            known[state] = found
            connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (*state, found))
    except OSError as error:
        return SideFile(path, f"unreadable:{path}", f"unreadable: {error.strerror or error}")
    return SideFile(path, found, stamp=(stat.st_size, stat.st_mtime_ns))


def _open(cache: Path) -> sqlite3.Connection:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(cache, timeout=60)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS files "
            "(path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, digest TEXT)"
        )
    except OSError as error:
        raise explain(error, cache) from error
    except sqlite3.Error as error:
        raise LtxError(
            f"cannot write {cache}: {error}. Set `workspace` to a folder that this user can write, on a disk "
            "with free space"
        ) from error
    return connection
