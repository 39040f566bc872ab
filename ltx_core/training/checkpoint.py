"""Checkpoints that are there whole or not at all, and the exact state of a training.

    checkpoints/step_000250/lora.safetensors    the product at this step, or transformer/ of a full training
    checkpoints/step_000250/state/              parameters, optimizer moments, counters: what going on needs
    checkpoints/step_000250/manifest.json       size and digest of every file, written last

Design choices
- A checkpoint is written to a temporary folder beside the others, synced, and renamed: a kill at any moment
  leaves the old ones and no half of a new one.
- Tensors in safetensors and numbers in JSON: nothing is unpickled. Draws have no state (`draws.py`).
- Numbers survive exactly: JSON keeps every digit of a float.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ltx_core.errors import LtxError
from ltx_core.store.disk import TEMPORARY_PREFIX, explain, sync_folder
from ltx_core.store.keys import digest_file
from ltx_core.store.tensors import Entry, write_tensors
from ltx_core.training.checkpoint_folder import (
    HELD,
    MANIFEST,
    STATE,
    checkpoint_name,
    checkpoints,
    hold,
    latest,
    retain,
    sweep,
)

__all__ = [
    "HELD",
    "MANIFEST",
    "STATE",
    "Export",
    "TrainingState",
    "checkpoint_name",
    "checkpoints",
    "hold",
    "latest",
    "load_state",
    "retain",
    "save_checkpoint",
    "sweep",
]

SCHEMA_VERSION = 1

Export = Callable[[Path, int], None]
"""Writes the product of the current weights into a folder, under its own name, for a step."""


@dataclass(frozen=True)
class TrainingState:
    """All that a training needs to go on.

    Attributes:
        step: finished optimizer steps.
        identity: digest of what the run depends on; another run must not go on from here.
        parameters: trainable parameters by name, exact.
        optimizer: the optimizer's tensors, named "parameter/moment"; empty when only weights were kept.
        numbers: counters as JSON.
        averages: of the parameters by name; empty where none is kept.
    """

    step: int
    identity: str
    parameters: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)
    averages: Mapping[str, Tensor] = field(default_factory=dict)


def save_checkpoint(root: Path, step: int, export: Export, state: TrainingState | None) -> Path:
    """Write the checkpoint of `step` below `root`; it exists when this returns and not before.

    Args:
        root: the run's folder of checkpoints.
        step: finished optimizer steps.
        export: writes the product.
        state: None keeps nothing to go on from.

    Raises:
        StoreError: when the disk is full, read-only or not permitted; earlier checkpoints stay.
    """
    sweep(root)
    final = root / checkpoint_name(step)
    temporary = root / f"{TEMPORARY_PREFIX}{final.name}-{uuid.uuid4().hex}"
    try:
        temporary.mkdir(parents=True)
        export(temporary, step)
        if state is not None:
            _write_state(temporary / STATE, state)
        seal(temporary, step)
        if final.exists():  # a torn one of the same step, or one that is written again after an interrupt
            final.rename(root / f"{TEMPORARY_PREFIX}old-{uuid.uuid4().hex}")
        temporary.rename(final)
        sync_folder(root)
    except (OSError, SafetensorError) as error:
        raise explain(_as_os_error(error), final) from error
    finally:
        sweep(root)  # whatever went wrong: what is half written would fill the disk
    return final


def load_state(checkpoint: Path) -> TrainingState:
    """The training state of a checkpoint, on the CPU.

    Raises:
        LtxError: when it has none, or one of a newer version.
    """
    folder = checkpoint / STATE
    if not (folder / "state.json").exists():
        raise LtxError(f"{checkpoint} has no training state; it was saved with `save_training_state: off`")
    facts = json.loads((folder / "state.json").read_text("utf-8"))
    if facts["schema_version"] > SCHEMA_VERSION:
        raise LtxError(f"{checkpoint} was written by a newer version of this program; use that version")
    optimizer, averages = folder / "optimizer.safetensors", folder / "ema.safetensors"
    return TrainingState(
        step=facts["step"],
        identity=facts["identity"],
        parameters=load_file(folder / "parameters.safetensors"),
        optimizer=load_file(optimizer) if optimizer.exists() else {},
        numbers=facts["numbers"],
        averages=load_file(averages) if averages.exists() else {},
    )


def _write_state(folder: Path, state: TrainingState) -> None:
    folder.mkdir()
    write_tensors(folder / "parameters.safetensors", _entries(state.parameters))
    if state.optimizer:
        write_tensors(folder / "optimizer.safetensors", _entries(state.optimizer))
    if state.averages:
        write_tensors(folder / "ema.safetensors", _entries(state.averages))
    facts = {
        "schema_version": SCHEMA_VERSION,
        "step": state.step,
        "identity": state.identity,
        "numbers": dict(state.numbers),
    }
    (folder / "state.json").write_text(json.dumps(facts, indent=1), "utf-8")


def _entries(tensors: Mapping[str, Tensor]) -> list[Entry]:
    return [Entry.of(name, tensor) for name, tensor in tensors.items()]


def seal(folder: Path, step: int) -> None:
    """Sync every file and folder, then write and sync the manifest."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    entries = {}
    for path in files:
        _sync_file(path)
        name = path.relative_to(folder).as_posix()
        entries[name] = {"size": path.stat().st_size, "digest": digest_file(path)}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"step": step, "files": entries}, indent=1), "utf-8")
    _sync_file(manifest)
    for path in [*(path for path in folder.rglob("*") if path.is_dir()), folder]:
        sync_folder(path)


def _sync_file(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def _as_os_error(error: OSError | SafetensorError) -> OSError:
    """safetensors reports a failed write as an error of its own, with the system's number in the text."""
    if isinstance(error, OSError):
        return error
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number.group(1)) if number else 0, str(error))
