"""Files as the scan finds them: where each lies, what it is called, what its bytes are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ltx_core.curation.options.rights import Rights
from ltx_core.curation.options.sources import SourceSet
from ltx_core.curation.table import TableRow
from ltx_core.errors import LtxError
from ltx_core.store.uri import ObjectUri

UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Signs that end a line, command a terminal, turn text around or are halves of one."""


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

    @property
    def place(self) -> str:
        """Where it lies, to be shown."""
        return shown(str(self.path))

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
        name: relative to its source, for people: without signs that cannot be shown.
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

    @property
    def place(self) -> str:
        """Where it lies, to be shown."""
        return shown(str(self.path))

    @property
    def rights(self) -> Rights:
        """What is stated of its licence: by its line of the dataset file, else by its source."""
        own = Rights() if self.row is None else self.row.rights
        return own.over(self.origin.rights)

    @property
    def folder(self) -> str:
        """The name of its folder, as text."""
        return shown(self.path.parent.name)

    def check(self) -> None:
        """Refuse a file that was written over since the scan: its results would bear another content's name.

        Raises:
            LtxError: when its size or time of change differs.
        """
        _check_stamp(self.path, self.stamp)


@dataclass(frozen=True)
class Found:
    """What a source names, before its bytes are looked at.

    Attributes:
        place: where it lies.
        name: relative to its source, for people.
        row: its line in the dataset file, where the source is one.
        problem: why it cannot be read at all, or "".
        stamp: (size, mtime), where the search has met them.
    """

    place: Path | ObjectUri
    name: str
    row: TableRow | None = None
    problem: str = ""
    stamp: tuple[int, int] | None = None


def shown(text: str) -> str:
    """Text with an escape for each sign that cannot be stored or shown: line ends, bytes not of UTF-8."""
    return UNSHOWN.sub(_escaped, text)


def unreadable(place: Path | ObjectUri, problem: str) -> SideFile:
    """A file without bytes: its name stands for them, and of an object the reason too, which may change."""
    reason = "" if isinstance(place, Path) else f" ({problem})"
    return SideFile(Path(str(place)), f"unreadable:{shown(str(place))}{reason}", problem)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python names a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return found[0].encode("unicode_escape").decode("ascii")


def _check_stamp(path: Path, stamp: tuple[int, int]) -> None:
    try:
        stat = path.stat()
    except OSError:
        return  # what reads it says so
    if (stat.st_size, stat.st_mtime_ns) != stamp:
        raise LtxError(
            f"{shown(str(path))} was changed while the run was reading it; run the same command when it "
            "stays the same. What was computed before is kept"
        )
