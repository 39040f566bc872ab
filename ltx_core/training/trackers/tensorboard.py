"""TensorBoard's event files in the run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltx_core.errors import LtxError
from ltx_core.store.redact import redactor
from ltx_core.training.trackers.base import Opening

TENSORBOARD = "tensorboard"
FLUSH_S = 5
"""Seconds of events that a kill may cost."""


def tensorboard(folder: Path, facts: Mapping[str, Any]) -> Opening:
    """Events in `folder/tensorboard`; a resumed run hides those of the steps that it does again."""
    return Opening("TensorBoard", lambda step: _Board(folder / TENSORBOARD, step, facts))


class _Board:
    def __init__(self, folder: Path, step: int, facts: Mapping[str, Any]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise LtxError("tensorboard is not installed: `pip install tensorboard`") from None
        begun = folder.is_dir()
        self.held = step if begun else 0
        self._board: Any = SummaryWriter(
            str(folder), purge_step=step + 1 if begun else None, flush_secs=FLUSH_S
        )
        if not begun and facts:
            text = json.dumps(redactor().data(facts), indent=1, ensure_ascii=False, default=str)
            self._board.add_text("config", "\n".join("    " + line for line in text.splitlines()), 0)

    def log(self, step: int, values: Mapping[str, float], files: Mapping[str, Path]) -> None:
        """All numbers as one event; an event for each would take a millisecond."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        found = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._board.file_writer.add_summary(Summary(value=found), step)
        for name, path in files.items():
            if path.suffix == ".png":
                self._picture(name, path, step)

    def _picture(self, name: str, path: Path, step: int) -> None:
        import numpy as np
        from PIL import Image

        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        self._board.add_image(f"samples/{name}", pixels, step, dataformats="HWC")

    def close(self, finished: bool) -> None:
        """Write what is left."""
        self._board.close()
