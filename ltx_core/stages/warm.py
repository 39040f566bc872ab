"""The weights that a training begins with: `model.load_checkpoint`, and which run `latest` means.

A run is known by the bytes that it began with. So `latest` is found in two steps: a run of this name that
began with some weights, and whose key is that of this very config with those weights, is this run: it goes on
with them. Else the newest of the runs is another one, and this run begins with what that one saved last.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ltx_core.config.products import LATEST, beginning, newest_weights
from ltx_core.config.runs import BEGUN, earlier_runs
from ltx_core.stages.context import Context
from ltx_core.stages.folder import run_folder
from ltx_core.store.disk import write_atomic
from ltx_core.store.keys import digest_file
from ltx_core.training.checkpoint_folder import CHECKPOINTS, hold

KeyWith = Callable[[str], str]
"""Digest of the weights that a run begins with -> the run's key."""


def beginning_of(context: Context) -> Path | None:
    """The file of the weights that the config's training begins with; None: it begins anew.

    Raises:
        ConfigError: when it is not there.
        NotReadyError: for `latest`, while the dataset is missing.
    """
    if context.config.model.load_checkpoint != LATEST:
        return beginning(context.config)
    stage = context.registry["train"]
    key_with: KeyWith = stage.key_with(context)  # type: ignore[attr-defined]
    return context.memo("latest", lambda: _latest(context, key_with))


def note_beginning(context: Context, folder: Path) -> None:
    """Write down in a run's folder what it begins with, and have that outlive the other run's retention.

    Raises:
        StoreError: when the folder cannot be written.
    """
    found = beginning_of(context)
    if found is None:
        return
    for checkpoint in found.parents:
        if checkpoint.parent.name == CHECKPOINTS:
            hold(checkpoint, folder.name)
    if not (folder / BEGUN).exists():
        facts = {"weights": str(found), "digest": digest_file(found)}
        write_atomic(folder / BEGUN, json.dumps(facts, indent=1).encode())


def _latest(context: Context, key_with: KeyWith) -> Path:
    runs = earlier_runs(context.config)
    for run in runs:
        digest = run.begun.get("digest")
        if digest and run_folder(context.config, key_with(digest)) == run.folder:
            return Path(run.begun["weights"])
    return newest_weights(context.config, runs)
