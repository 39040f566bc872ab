"""A training by several processes: the first one computes the row and writes; the others train along.

Only the first looks at what is missing, holds locks, writes rows, folders and logs. It tells the others the
key of each run that it begins, then that it has ended; they read the dataset and the checkpoints, so all
machines need the same files at the same places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ltx_core.config.root import Config
from ltx_core.errors import LtxError
from ltx_core.stages.context import Context
from ltx_core.stages.folder import run_folder
from ltx_core.training.device import leave, make_accelerator
from ltx_core.training.processes import check_place, place

KEY_BYTES = 256
"""Room for a row's key between processes."""
Train = Callable[[Context, Any, str], Any]
"""(context, run's folder, key) -> outcome."""


def together(context: Context, compute: Callable[[], dict[str, Any]], train: Train) -> dict[str, Any]:
    """Compute rows of a training by all processes.

    Args:
        context: of the config, the same in every process.
        compute: computes and commits the rows, by `train` for each; only the first process calls it.
        train: the training of a row.

    Returns:
        The manifest; an empty one in all processes but the first.

    Raises:
        LtxError: as `compute`, or when other processes were started than the config states. The connection
            to the others is left open then: taking leave waits for those that wait for this one.
    """
    config = context.config
    here = check_place(config.acceleration)
    make_accelerator(config.acceleration)
    manifest: dict[str, Any] = {}
    try:
        if here.main:
            manifest = compute()
            tell(config, "")
        else:
            while key := _told(config):
                train(context, run_folder(config, key), key)
    except SystemExit:  # a stop, on which all processes have agreed
        leave()
        raise
    leave()
    return manifest


def tell(config: Config, key: str) -> None:
    """Let the other processes begin the training `key`, or end where it is empty; alone, nothing."""
    if place().world > 1:
        _broadcast(config, key)


def _told(config: Config) -> str:
    return _broadcast(config, "")


def _broadcast(config: Config, text: str) -> str:
    """The first process's text, in all of them."""
    data = text.encode()
    if len(data) > KEY_BYTES:
        raise LtxError(f"the key {text} has more than {KEY_BYTES} bytes")
    values = torch.tensor([*data, *[0] * (KEY_BYTES - len(data))], dtype=torch.uint8)
    values = values.to(make_accelerator(config.acceleration).device)
    torch.distributed.broadcast(values, src=0)
    return bytes(values.tolist()).rstrip(b"\0").decode()
