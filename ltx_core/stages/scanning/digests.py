"""Content digests of files, remembered by (path, size, mtime): a second scan reads no file.

Design choices
- New files are read by several threads: hashing leaves Python's lock alone.
- What is known is written every few seconds in one short transaction, so that a kill loses seconds of work
  and another run never waits for a file to be read.
- A path may hold bytes that are no text; such a one is stored as its bytes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ltx_core.errors import LtxError
from ltx_core.stages.scanning.files import SideFile, unreadable
from ltx_core.stages.scanning.progress import Progress, Report
from ltx_core.stages.scanning.walk import not_a_file, why
from ltx_core.store.disk import explain
from ltx_core.store.keys import digest_file

logger = logging.getLogger(__name__)
COMMIT_SECONDS = 2.0
"""Work that a kill may lose."""
THREADS = 8
"""Files read at once: a network disk answers several faster than one after the other."""

LATEST = 2**63 - 1
"""The last moment that SQLite can store, in nanoseconds: in the year 2262."""

Stamp = tuple[int, int]


def digests_of(
    places: Mapping[Path, Stamp | None], cache: Path, report: Report = lambda done, total: None
) -> dict[Path, SideFile]:
    """The files with their digests; one that cannot be read says why.

    Args:
        places: files with their (size, mtime), or None where nobody has looked.
        cache: SQLite file that remembers digests.
        report: is told how far the reading of new files is.

    Raises:
        LtxError: when the cache cannot be written.
    """
    found: dict[Path, SideFile] = {}
    with opened(cache) as connection:
        known = _known(connection)
        new: list[tuple[Path, Stamp]] = []
        for path, met in places.items():
            stamp = met or _stamp(path)
            if isinstance(stamp, SideFile):
                found[path] = stamp
                continue
            size, mtime, digest = known.get(str(path), (0, 0, ""))
            if digest and (size, mtime) == stamp:
                found[path] = SideFile(path, digest, stamp=stamp)
            else:
                new.append((path, stamp))
        found.update((file.path, file) for file in _read(connection, new, report))
    return found


@contextlib.contextmanager
def opened(cache: Path) -> Iterator[sqlite3.Connection]:
    """The cache; one that is damaged is made anew, for it holds nothing that cannot be found again.

    Raises:
        LtxError: when it cannot be written.
    """
    try:
        with contextlib.closing(_open(cache)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise LtxError(
            f"cannot write {cache}: {error}. Set `workspace` to a folder that this user can write, on a disk "
            "with free space"
        ) from error


def _open(cache: Path) -> sqlite3.Connection:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, cache) from error
    try:
        return _connect(cache)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        logger.warning("%s is damaged (%s); files are read anew", cache, error)
        cache.unlink()
        return _connect(cache)


def _connect(cache: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(cache, timeout=60)
    try:
        for table in ("files", "objects"):
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {table} "
                "(path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, digest TEXT)"
            )
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _known(connection: sqlite3.Connection) -> dict[str, tuple[int, int, str]]:
    rows = connection.execute("SELECT path, size, mtime, digest FROM files").fetchall()
    return {
        path if isinstance(path, str) else os.fsdecode(path): (size, mtime, digest)
        for path, size, mtime, digest in rows
    }


def _stamp(path: Path) -> Stamp | SideFile:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        return unreadable(path, why(error) if isinstance(error, OSError) else f"unreadable: {error}")
    if problem := not_a_file(status.st_mode):
        return unreadable(path, problem)
    return status.st_size, status.st_mtime_ns


def _read(
    connection: sqlite3.Connection, new: Sequence[tuple[Path, Stamp]], report: Report
) -> Iterator[SideFile]:
    """Digest new files; what is ready is committed every few seconds, also when something ends it."""
    if not new:
        return
    ready: queue.SimpleQueue[Future[SideFile]] = queue.SimpleQueue()
    pool = ThreadPoolExecutor(min(THREADS, len(new)), thread_name_prefix="digest")
    unsaved: list[SideFile] = []
    progress = Progress("reading new files", len(new), report)
    try:
        for path, stamp in new:
            pool.submit(_digested, path, stamp).add_done_callback(ready.put)
        for file in _as_ready(ready, len(new), lambda: _save(connection, unsaved)):
            if not file.problem:
                unsaved.append(file)
            progress.step()
            yield file
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        _save(connection, unsaved)


def _as_ready(
    ready: queue.SimpleQueue[Future[SideFile]], count: int, save: Callable[[], None]
) -> Iterator[SideFile]:
    saved_at = time.monotonic()
    while count:
        with contextlib.suppress(queue.Empty):
            future = ready.get(timeout=COMMIT_SECONDS)
            count -= 1
            yield future.result()
        if time.monotonic() - saved_at >= COMMIT_SECONDS:
            save()
            saved_at = time.monotonic()


def _digested(path: Path, stamp: Stamp) -> SideFile:
    try:
        return SideFile(path, digest_file(path), stamp=stamp)
    except OSError as error:
        return unreadable(path, why(error))


def _save(connection: sqlite3.Connection, files: list[SideFile]) -> None:
    with connection:
        connection.executemany(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
            [
                (_stored(str(file.path)), file.stamp[0], min(file.stamp[1], LATEST), file.digest)
                for file in files
            ],
        )
    files.clear()


def _stored(path: str) -> str | bytes:
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path
