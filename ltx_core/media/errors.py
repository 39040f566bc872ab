"""The errors of this room: a file that cannot be used, with a short reason that fits into a table."""

from __future__ import annotations

from pathlib import Path

from ltx_core.errors import LtxError


class MediaError(LtxError):
    """A file that cannot be read as what it is needed for.

    Attributes:
        reason: short and without the path (`empty file`, `no video stream`, `unreadable: ...`), for the rows
            of rejected input.
        path: the file, or None when the reason is about data in memory.
    """

    def __init__(self, reason: str, path: Path | str | None = None) -> None:
        self.reason = reason
        self.path = None if path is None else Path(path)
        super().__init__(reason if path is None else f"{path}: {reason}")


class MediaGoneError(MediaError):
    """A file that cannot be reached (missing, not permitted, its disk away); no word on its content."""
