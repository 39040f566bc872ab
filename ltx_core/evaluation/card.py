"""The published folder: weights, a model card, lineage, and what goes with them.

Design choices
- A folder is published whole or not at all: written under a temporary name beside its place, then renamed.
  The one that was there is moved away for that moment and removed last; when a kill comes between the two
  renames, the next publishing puts it back first.
- Publishing into one parent folder happens one at a time (flock on the parent; the kernel frees it).
- A folder that is not one of ours is never replaced: `lineage.json` is the sign.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ltx_core.errors import LtxError
from ltx_core.evaluation.card_facts import CardFacts
from ltx_core.evaluation.card_text import card_text
from ltx_core.evaluation.report import ReportData
from ltx_core.evaluation.scrub import cleaned, scrub
from ltx_core.store.disk import explain, sync_folder
from ltx_core.store.redact import Redactor, redactor

LINEAGE_NAME = "lineage.json"
CARD_NAME = "README.md"
WEIGHTS_NAME = "lora.safetensors"
OWN_NAMES = (CARD_NAME, LINEAGE_NAME, WEIGHTS_NAME)


Content = bytes | Path | Callable[[Path], None]
"""What a file of the published folder is: its bytes, a file to copy, or what writes a file or a folder."""


class PublishError(LtxError):
    """The folder cannot be published."""


def publish(
    folder: Path,
    weights: Path,
    metadata: Mapping[str, object],
    report: ReportData,
    files: Mapping[str, Content] | None = None,
    facts: CardFacts | None = None,
    secrets: Redactor | None = None,
) -> Path:
    """Write the product's folder: weights, `README.md`, `lineage.json` and further files.

    Args:
        folder: where; an older one of ours is replaced as a whole, nothing of it stays.
        weights: the LoRA's file; its name in the folder is `lora.safetensors`. Or the folder of a whole
            transformer; it keeps its name.
        metadata: what the weights' own metadata say (base model fingerprint, rank, alpha, trigger, mode,
            dataset digest, step, code version, ...).
        report: facts for the card.
        files: further files by their path inside the folder, such as `report.html` or `samples/after.mp4`.
        facts: what the card says beyond the report.
        secrets: what must not be in any file; None: what this process' environment holds.

    Returns:
        The folder.

    Raises:
        PublishError: when the weights are missing, a path leaves the folder, or the folder is not ours.
        SecretError: when a picture or a film would hold a secret.
        StoreError: when it cannot be written (a full disk, a read-only folder).
    """
    _check(folder, weights, files or {})
    hidden = secrets or redactor()
    report, metadata, facts = (cleaned(one, hidden) for one in (report, metadata, facts))
    contents: dict[str, Content] = {
        **(files or {}),
        **_product(weights),
        CARD_NAME: card_text(report, metadata, facts).encode("utf-8"),
        LINEAGE_NAME: _lineage(metadata, report),
    }
    _replace(folder, contents, hidden)
    return folder


def _replace(folder: Path, contents: Mapping[str, Content], hidden: Redactor) -> None:
    """Write a folder beside its place, without secrets, and put it there."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.parent):
            _recover(folder)
            temporary = _beside(folder, f"new-{uuid.uuid4().hex[:12]}")
            try:
                _write_all(temporary, contents)
                scrub(temporary, hidden)
                _sync(temporary)
                _put_in_place(temporary, folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise explain(error, folder) from error


def _check(folder: Path, weights: Path, files: Mapping[str, Content]) -> None:
    if not any(path.is_file() for path in _product(weights).values()):
        raise PublishError(f"no weights at {weights}; finish a training run before you publish it")
    for name, content in files.items():
        if isinstance(content, Path) and not content.is_file():
            raise PublishError(f"no file at {content}, which should become {name!r} in the published folder")
        path = Path(name)
        if (
            path.is_absolute()
            or ".." in path.parts
            or path.as_posix() in (CARD_NAME, LINEAGE_NAME, WEIGHTS_NAME)
        ):
            raise PublishError(
                f"{name!r} cannot be a file of the published folder; give another relative path"
            )
    if folder.exists() and not folder.is_dir():
        raise PublishError(f"{folder} is a file; publishing needs a folder of its own, set another path")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / LINEAGE_NAME).is_file():
        raise PublishError(
            f"{folder} holds files but no {LINEAGE_NAME}, so it was not published by this program and is "
            "left as it is; set another path or empty the folder"
        )


def _product(weights: Path) -> dict[str, Path]:
    if weights.is_dir():
        return {f"{weights.name}/{path.name}": path for path in sorted(weights.iterdir())}
    return {WEIGHTS_NAME: weights}


def _lineage(metadata: Mapping[str, object], report: ReportData) -> bytes:
    content = {
        "name": report.title,
        "mode": report.mode,
        "created": report.created,
        "weights": dict(metadata),
        "lineage": dict(report.lineage),
        "dataset": {
            "train": report.dataset.train,
            "held_out": report.dataset.heldout,
            "rejected": len(report.dataset.rejected),
        },
        "held_out_loss": [row.as_dict() for row in report.heldout],
        "config": report.config_yaml,
    }
    return (json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n").encode("utf-8", "replace")


@contextlib.contextmanager
def _alone(parent: Path) -> Iterator[None]:
    descriptor = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _beside(folder: Path, suffix: str) -> Path:
    return folder.parent / f".{folder.name}.{suffix}"


def _write_all(folder: Path, contents: Mapping[str, Content]) -> None:
    for name, content in contents.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        elif isinstance(content, Path):
            shutil.copyfile(content, target)
        else:
            content(target)


def _sync(folder: Path) -> None:
    inside = sorted(folder.rglob("*"), reverse=True)
    for path in inside:
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
    for each in (*(path for path in inside if path.is_dir()), folder):
        sync_folder(each)


def _put_in_place(temporary: Path, folder: Path) -> None:
    old = _beside(folder, "old")
    if folder.exists():
        folder.rename(old)
    try:
        temporary.rename(folder)
    except OSError:
        _recover(folder)
        raise
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _recover(folder: Path) -> None:
    """Put back what a kill between the two renames left beside the folder, and sweep unfinished ones."""
    old = _beside(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    for unfinished in folder.parent.glob(f".{folder.name}.new-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
