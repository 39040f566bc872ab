"""Captions that people wrote in place of others, in one file of a workspace; they win over everything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ltx_core.errors import LtxError
from ltx_core.store.disk import locked, write_atomic

FILE = "edits.json"


def read_edits(folder: Path) -> dict[str, str]:
    """Edited captions by clip id; none where there is no file.

    Raises:
        LtxError: when the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
        if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
            raise ValueError("it is no list of texts by clip")
    except (OSError, ValueError) as error:
        raise LtxError(
            f"{path} cannot be read: {error}. It holds the captions that were edited: restore it from a "
            "backup, or move it away and apply the edited file again (`ltx captions apply`)"
        ) from error
    return {str(clip): text for clip, text in found.items()}


def change_edits(folder: Path, changes: Mapping[str, str | None]) -> None:
    """Set captions by clip id, or take an edit back (None); whole or not at all.

    Raises:
        LtxError: when the file is damaged.
        StoreError: when the disk takes no more.
    """
    with locked(folder / ".edits.lock"):
        edits = read_edits(folder)
        before = dict(edits)
        for clip, text in changes.items():
            if text is None:
                edits.pop(clip, None)
            else:
                edits[clip] = text
        if edits != before:
            text = json.dumps(dict(sorted(edits.items())), ensure_ascii=False, indent=1)
            write_atomic(folder / FILE, text.encode("utf-8", "surrogatepass"))
