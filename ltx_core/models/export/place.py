"""Where an export goes: a new file or folder that is there whole or not at all; nothing is overwritten."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ltx_core.models.errors import ModelError
from ltx_core.store.disk import TEMPORARY_PREFIX, explain, sync_folder


def check_new(out: Path) -> None:
    """Refuse a place where something is.

    Raises:
        ModelError: when it is there, and not an empty folder.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ModelError(f"{out} is there already and is left as it is; give another path or move it away")


def check_room(out: Path, nbytes: int) -> None:
    """Refuse a disk without room for `nbytes`, before anything is written.

    Raises:
        ModelError: with both numbers.
    """
    folder = next(parent for parent in out.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if free < nbytes:
        raise ModelError(
            f"the export takes {nbytes / 2**30:.1f} GiB and {folder} has {free / 2**30:.1f} GiB free; free "
            "some space or give a path on another disk"
        )


@contextmanager
def placed(out: Path) -> Iterator[Path]:
    """Gives a path beside `out` to write a file or a folder to; it becomes `out` when the block ends.

    Raises:
        ModelError: when something is at `out`, at the beginning or at the end.
        StoreError: when the disk is full, read-only or not permitted; nothing is left behind.
    """
    check_new(out)
    temporary = out.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        check_new(out)
        if out.is_dir():
            out.rmdir()
        temporary.rename(out)
        sync_folder(out.parent)
    except OSError as error:
        raise explain(error, out) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Make a file, or all files and folders below a folder, durable."""
    files = [found for found in path.rglob("*") if found.is_file()] if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    for folder in [found for found in (path, *path.rglob("*")) if found.is_dir()]:
        sync_folder(folder)
