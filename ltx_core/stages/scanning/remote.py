"""Media in object stores: what lies there is listed, and what is new is fetched into the workspace.

    <workspace>/objects/content/ab/abcdef…            the bytes, named by their digest
    <workspace>/objects/<host>/<bucket>/<key>         a link to them, so that a fetched film has its name, its
                                                      folder and its captions beside it

What was fetched is remembered by (name, size, time of change): a second scan fetches nothing.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from ltx_core.stages.scanning.digests import COMMIT_SECONDS, opened
from ltx_core.stages.scanning.files import SideFile, unreadable
from ltx_core.stages.scanning.progress import Progress, Report
from ltx_core.store.disk import TEMPORARY_PREFIX, explain
from ltx_core.store.keys import digest
from ltx_core.store.object_store import (
    ObjectProblemError,
    ObjectStore,
    RemoteObject,
    content_path,
    sweep,
)
from ltx_core.store.uri import ObjectUri

logger = logging.getLogger(__name__)
FETCHED_AT_ONCE = 8
ASKED_AT_ONCE = 32
LONGEST_NAME = 200
"""Bytes of one part of a key that becomes a file's name; file systems take 255."""

Known = dict[str, tuple[int, int, str]]


class Objects:
    """The objects of one store and their copies in a workspace."""

    def __init__(
        self, store: ObjectStore, folder: Path, cache: Path, report: Report = lambda done, total: None
    ) -> None:
        self.store = store
        self.folder = folder
        self.cache = cache
        self.report = report
        self._folders: set[ObjectUri] = set()

    def fetched(self, wanted: Iterable[ObjectUri | RemoteObject]) -> dict[ObjectUri, SideFile]:
        """The copies of objects, new ones fetched; one that cannot be had says why.

        Args:
            wanted: objects, as listed or by name alone.

        Raises:
            LtxError: when the store cannot be reached, or the disk takes no more.
        """
        listed, found = self._looked_up(dict.fromkeys(wanted))
        for parent in {one.uri.parent for one in listed}:
            while parent.key and parent not in self._folders:
                self._folders.add(parent)
                parent = parent.parent
        with opened(self.cache) as connection:
            known: Known = {
                name: (size, mtime, content)
                for name, size, mtime, content in connection.execute("SELECT * FROM objects").fetchall()
            }
            new = []
            for one in listed:
                size, mtime, content = known.get(self._name(one.uri), (0, 0, ""))
                copy = self._copy(one.uri, content) if (size, mtime) == (one.size, one.mtime) else None
                if copy is None or copy.stamp[0] != one.size:
                    new.append(one)
                else:
                    found[one.uri] = copy
            found.update(self._fetch(connection, new))
        return found

    def link(self, uri: ObjectUri) -> Path:
        """Where a fetched object bears its name; one whose name is also a folder's bears another."""
        path = self._tree.joinpath(uri.bucket, *(_part(part) for part in uri.key.split("/")))
        if uri in self._folders or (path.is_dir() and not path.is_symlink()):
            return path.with_name(f"{path.stem}~object{path.suffix}")
        return path

    def forget_texts(self, media: Iterable[ObjectUri], present: Iterable[ObjectUri]) -> None:
        """Remove captions of earlier scans from the folders of `media` that are not `present` any more."""
        links = {self.link(uri) for uri in present}
        for folder in {self.link(uri).parent for uri in media}:
            for path in list(folder.glob("*.txt")):
                if path not in links:
                    path.unlink(missing_ok=True)

    @property
    def _tree(self) -> Path:
        return self.folder / self.store.host

    @property
    def _content(self) -> Path:
        return self.folder / "content"

    def _name(self, uri: ObjectUri) -> str:
        return f"{self.store.host} {uri}"

    def _looked_up(
        self, wanted: Iterable[ObjectUri | RemoteObject]
    ) -> tuple[list[RemoteObject], dict[ObjectUri, SideFile]]:
        """Objects as the store describes them, and those that it does not have."""
        names: list[ObjectUri] = []
        listed: list[RemoteObject] = []
        for one in wanted:
            if isinstance(one, RemoteObject):
                listed.append(one)
            else:
                names.append(one)
        lost: dict[ObjectUri, SideFile] = {}
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            for uri, seen in zip(names, pool.map(self._look, names), strict=True):
                if isinstance(seen, RemoteObject):
                    listed.append(seen)
                else:
                    lost[uri] = unreadable(uri, f"unreadable: {seen}")
        return listed, lost

    def _look(self, uri: ObjectUri) -> RemoteObject | str:
        try:
            seen = self.store.look(uri)
        except ObjectProblemError as error:
            return str(error)
        if seen is None:
            return "no such object"
        return "a prefix, not an object" if seen == "prefix" else seen

    def _copy(self, uri: ObjectUri, content: str) -> SideFile | None:
        """A copy that was fetched before under its name; None where it is gone."""
        link, target = self.link(uri), content_path(self._content, content)
        try:
            if not link.is_symlink() or not link.samefile(target):
                _relink(link, target)
            status = link.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise explain(error, link) from error
        return SideFile(link, content, stamp=(status.st_size, status.st_mtime_ns))

    def _fetch(
        self, connection: sqlite3.Connection, new: Sequence[RemoteObject]
    ) -> Iterator[tuple[ObjectUri, SideFile]]:
        if not new:
            return
        try:
            self._content.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain(error, self._content) from error
        sweep(self._content)
        logger.info("fetching %d objects, %.1f GiB", len(new), sum(one.size for one in new) / 2**30)
        pool = ThreadPoolExecutor(FETCHED_AT_ONCE, thread_name_prefix="fetch")
        unsaved: list[tuple[str, int, int, str]] = []
        progress = Progress("fetching objects", len(new), self.report)
        saved_at = time.monotonic()
        try:
            futures = {pool.submit(self._fetch_one, one): one for one in new}
            for future in as_completed(futures):
                one, file = futures[future], future.result()
                if not file.problem:
                    unsaved.append((self._name(one.uri), one.size, one.mtime, file.digest))
                progress.step()
                if time.monotonic() - saved_at >= COMMIT_SECONDS:
                    _save(connection, unsaved)
                    saved_at = time.monotonic()
                yield one.uri, file
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            _save(connection, unsaved)

    def _fetch_one(self, one: RemoteObject) -> SideFile:
        try:
            content = self.store.fetch(one.uri, self._content)
        except ObjectProblemError as error:
            return unreadable(one.uri, f"unreadable: {error}")
        copy = self._copy(one.uri, content)
        return copy or unreadable(one.uri, "unreadable: its copy was removed while it was fetched")


def below(uri: ObjectUri, objects: Sequence[RemoteObject]) -> list[tuple[str, RemoteObject]]:
    """Objects with their names relative to a prefix, in the order of names."""
    start = len(uri.key) + 1 if uri.key else 0
    named = [(one.uri.key[start:], one) for one in objects]
    return sorted(named, key=lambda pair: pair[0].split("/"))


def _part(part: str) -> str:
    """A part of a key as a file's name."""
    if part in ("", ".", ".."):
        return part.replace(".", "%2E") or "%"
    if len(part.encode()) <= LONGEST_NAME:
        return part
    stem, dot, suffix = part.rpartition(".")
    return f"{stem[:40]}~{digest(part)}{dot}{suffix[:20]}"


def _relink(link: Path, target: Path) -> None:
    """Have `link` lead to `target`, in one step."""
    if not target.exists():
        raise FileNotFoundError(target)
    for folder in (link.parent, *link.parent.parents):
        if folder.is_symlink() and not folder.is_dir():
            folder.unlink()  # an object of this name that is now a folder too; it gets another link
        elif folder.is_dir():
            break
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    temporary.symlink_to(os.path.relpath(target, link.parent))
    try:
        temporary.replace(link)
    finally:
        temporary.unlink(missing_ok=True)


def _save(connection: sqlite3.Connection, rows: list[tuple[str, int, int, str]]) -> None:
    with connection:
        connection.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", rows)
    rows.clear()
