"""The folders of checkpoints: which are whole, which is the newest, which are kept. No torch here."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import shutil
import uuid
from collections.abc import Collection
from pathlib import Path

from ltx_core.store.disk import TEMPORARY_PREFIX
from ltx_core.store.keys import digest_file

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
"""The folder of checkpoints in a run's folder."""
STATE, MANIFEST = "state", "manifest.json"
HELD = "held_by.txt"
"""Names the run that began with a checkpoint's weights: retention leaves it alone while the file is there."""


def checkpoint_name(step: int) -> str:
    """Name of the folder of a step."""
    return f"step_{step:06d}"


def checkpoints(root: Path) -> list[Path]:
    """Whole checkpoints below `root`, oldest step first; a torn one is left out with a warning."""
    if not root.is_dir():
        return []
    found = sorted(
        (path for path in root.iterdir() if re.fullmatch(r"step_\d{6,}", path.name)),
        key=lambda path: int(path.name.removeprefix("step_")),
    )
    whole = []
    for path in found:
        damage = _damage(path)
        if damage:
            logger.warning("%s is not used: %s", path, damage)
        else:
            whole.append(path)
    return whole


def latest(root: Path, *, with_state: bool = False) -> Path | None:
    """The newest whole checkpoint, or None.

    Args:
        root: the run's folder of checkpoints.
        with_state: only one to go on from, its files compared with their digests.
    """
    for path in reversed(checkpoints(root)):
        if not with_state:
            return path
        if (path / STATE / "state.json").exists():
            damage = _damage(path, digests=True)
            if not damage:
                return path
            logger.warning("%s is not used: %s", path, damage)
    return None


def retain(root: Path, keep: int, also: Collection[int] = ()) -> list[Path]:
    """Remove all but the newest `keep` checkpoints (-1: none is removed).

    The newest always stays, and so do those that another run began with (`hold`).

    Args:
        root: the run's folder of checkpoints.
        keep: how many of the newest stay.
        also: steps whose checkpoints stay besides, as the best.

    Returns:
        What was removed.
    """
    if keep < 0:
        return []
    older = checkpoints(root)[: -max(1, keep)]
    stay = {checkpoint_name(step) for step in also}
    old = [path for path in older if path.name not in stay and not (path / HELD).exists()]
    for path in old:
        trash = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{uuid.uuid4().hex}")
        with contextlib.suppress(OSError):
            path.rename(trash)  # gone in one move, so that a kill leaves no half of it under its name
            shutil.rmtree(trash)
    return old


def hold(checkpoint: Path, name: str) -> None:
    """Have retention leave a checkpoint alone, for the run `name` that begins with its weights.

    A folder of others that cannot be written is left as it is: then nobody's retention works there.
    """
    if (checkpoint / MANIFEST).is_file() and not (checkpoint / HELD).exists():
        with contextlib.suppress(OSError):
            (checkpoint / HELD).write_text(f"{name}\n", encoding="utf-8")


def sweep(root: Path) -> None:
    """Remove what killed runs left unfinished."""
    for path in root.glob(f"{TEMPORARY_PREFIX}*") if root.is_dir() else ():
        shutil.rmtree(path, ignore_errors=True)


def _damage(checkpoint: Path, *, digests: bool = False) -> str:
    """What is wrong with a checkpoint, or ""."""
    try:
        entries = json.loads((checkpoint / MANIFEST).read_text("utf-8"))["files"]
        for name, entry in entries.items():
            path = checkpoint / name
            if path.stat().st_size != entry["size"]:
                return f"{name} has {path.stat().st_size} bytes of {entry['size']}"
            if digests and digest_file(path) != entry["digest"]:
                return f"{name} differs from its digest"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"it is incomplete ({error})"
    return ""
