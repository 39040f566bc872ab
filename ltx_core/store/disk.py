"""Writing so that a kill at any moment leaves either the old or the new: temporary name, fsync, rename."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from ltx_core.errors import StoreError

logger = logging.getLogger(__name__)

TEMPORARY_PREFIX = ".tmp-"
"""Files with this prefix are unfinished; `sweep` removes them."""


DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""System errors of a disk that takes no more."""


def explain(error: OSError, path: Path) -> StoreError:
    """The store's message for a failed write or read."""
    fixes = {
        errno.ENOSPC: "the disk is full; free some space or move `workspace` to another disk",
        errno.EDQUOT: "the disk quota is used up; free some space or move `workspace` to another disk",
        errno.EFBIG: "a file-size limit is reached; raise it (ulimit -f) or move `workspace` to another disk",
        errno.EROFS: "the file system is read-only; set `workspace` to a folder that can be written",
        errno.EACCES: "permission denied; set `workspace` to a folder that this user can write",
        errno.EPERM: "not permitted; set `workspace` to a folder that this user can write",
    }
    fix = fixes.get(error.errno or 0, os.strerror(error.errno or 0))
    return StoreError(
        f"cannot write {path}: {fix}. What was computed before is kept; run the same command again."
    )


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path`: it is there whole or not at all.

    Raises:
        StoreError: when the disk is full, read-only or not permitted.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise explain(error, path) from error


def held_locks(folder: Path) -> list[Path]:
    """The lock files in a folder that a process holds now.

    Raises:
        StoreError: when one cannot be opened.
    """
    held = []
    for path in sorted(folder.glob("*")):
        try:
            with path.open("r+b") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            continue
        except BlockingIOError:
            held.append(path)
        except OSError as error:
            raise explain(error, path) from error
    return held


@contextlib.contextmanager
def locked(path: Path, *, say: bool = False) -> Iterator[None]:
    """Hold the lock file `path`, which the kernel frees when the process ends; `say`: log the waiting."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+b")
    except OSError as error:
        raise explain(error, path) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if say:
                logger.warning("waiting for another run that works on the same rows (%s)", path.name)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
