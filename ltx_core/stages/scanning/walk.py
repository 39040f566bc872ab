"""Media files in a folder and all folders below, each looked at once.

Design choices
- Folders that are links are followed after all others, so that a file has its own name where it has one; no
  folder is walked twice, so loops end and what runs write into the folder is left out by its identity.
- What cannot be read, links to nowhere and what is no file are named with a reason, not passed over. Nothing
  but plain files is ever opened: reading a pipe would wait forever.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from ltx_core.curation.places import is_media_folder, is_media_name
from ltx_core.errors import ConfigError
from ltx_core.stages.scanning.files import Found, shown

Parts = tuple[str, ...]
Identity = tuple[int, int]
"""Device and inode."""
OTHERS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


def walk(root: Path, exclude: Collection[Path] = (), pattern: re.Pattern[str] | None = None) -> list[Found]:
    """Every media file below `root`, in the order of names.

    Args:
        root: a folder.
        exclude: folders that are not looked into, wherever they are met.
        pattern: what names relative to `root` must match.

    Raises:
        ConfigError: when `root` itself cannot be read.
    """
    found = list(_Walk(root, exclude).files())
    if pattern is not None:
        found = [(parts, file) for parts, file in found if pattern.fullmatch("/".join(parts))]
    return [file for _, file in sorted(found, key=lambda one: one[0])]


def not_a_file(mode: int) -> str:
    """What something is that is no plain file; "" for one that is."""
    if stat.S_ISREG(mode):
        return ""
    return next((f"{what}, not a file" for is_it, what in OTHERS if is_it(mode)), "not a file")


def why(error: OSError) -> str:
    """The reason that stands in a row."""
    return f"unreadable: {error.strerror or error}"


class _Walk:
    """One search; remembers the folders that it has been in."""

    def __init__(self, root: Path, exclude: Collection[Path]) -> None:
        self.root = root
        self.seen = {one for one in map(_identity, exclude) if one is not None}
        self.folders: list[Parts] = []
        self.links: list[Parts] = []

    def files(self) -> Iterator[tuple[Parts, Found]]:
        self.seen -= {_identity(self.root) or (0, 0)}
        yield from self._below(())
        while self.links:
            for parts in sorted(self.links, key=lambda one: (len(one), one)):
                self.links.remove(parts)
                yield from self._below(parts)

    def _below(self, top: Parts) -> Iterator[tuple[Parts, Found]]:
        self.folders = [top]
        while self.folders:
            parts = self.folders.pop()
            yield from self._folder(Path(self.root, *parts), parts)

    def _folder(self, folder: Path, parts: Parts) -> Iterator[tuple[Parts, Found]]:
        try:
            identity = _identity_of(folder.stat())
            if identity in self.seen:
                return
            self.seen.add(identity)
            with os.scandir(folder) as entries:
                for entry in entries:
                    yield from self._entry(entry, folder, (*parts, entry.name))
        except OSError as error:
            if not parts:
                raise ConfigError(
                    f"dataset.source {shown(str(folder))} cannot be read: {error}; make it readable or name "
                    "another folder"
                ) from error
            name = shown("/".join(parts)) + "/"
            yield parts, Found(folder, name, problem=f"folder {why(error)}")

    def _entry(self, entry: os.DirEntry[str], here: Path, parts: Parts) -> Iterator[tuple[Parts, Found]]:
        if entry.is_dir(follow_symlinks=False):
            if is_media_folder(entry.name):
                self.folders.append(parts)
            return
        if entry.name.startswith("."):
            return
        try:
            status = entry.stat()
        except OSError as error:
            if is_media_name(entry.name):
                yield parts, Found(here / entry.name, shown("/".join(parts)), problem=_lost(entry, error))
            return
        if stat.S_ISDIR(status.st_mode):
            if is_media_folder(entry.name):
                self.links.append(parts)
        elif is_media_name(entry.name):
            stamp = (status.st_size, status.st_mtime_ns)
            problem = not_a_file(status.st_mode)
            yield parts, Found(here / entry.name, shown("/".join(parts)), None, problem, stamp)


def _lost(entry: os.DirEntry[str], error: OSError) -> str:
    if not entry.is_symlink():
        return why(error)
    try:
        return f"{why(error)} (a link to {shown(str(Path(entry.path).readlink()))})"
    except OSError:
        return why(error)


def _identity(folder: Path) -> Identity | None:
    try:
        return _identity_of(folder.stat())
    except OSError:
        return None


def _identity_of(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino
