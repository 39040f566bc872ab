"""A checkpoint of one run as that of another, whose first steps are the same."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

from ltx_core.store.disk import TEMPORARY_PREFIX, explain, sync_folder
from ltx_core.training.checkpoint import seal
from ltx_core.training.checkpoint_folder import HELD, MANIFEST, STATE, sweep


def adopt(source: Path, target: Path, identity: str) -> None:
    """Copy a whole checkpoint, whole or not at all, for a run of another identity.

    Raises:
        StoreError: when the disk is full, read-only or not permitted.
    """
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{target.name}-{uuid.uuid4().hex}")
    try:
        shutil.copytree(source, temporary, ignore=shutil.ignore_patterns(HELD, MANIFEST))
        path = temporary / STATE / "state.json"
        facts = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps({**facts, "identity": identity}, indent=1), "utf-8")
        seal(temporary, int(facts["step"]))
        temporary.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise explain(error, target) from error
    finally:
        sweep(target.parent)
