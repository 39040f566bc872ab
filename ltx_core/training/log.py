"""The run's records: metrics.parquet (a row per optimizer step), TensorBoard events, log.jsonl.

`metrics.parquet` is replaced whole, so a kill leaves a readable file; a resumed run cuts it back to the
step of its checkpoint, and so ends with the rows of an unbroken run. What is measured after a step (held-out
loss) stands in that step's row; a row of step 0 holds what was measured before the first.
"""

from __future__ import annotations

import io
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ltx_core.store.disk import explain, write_atomic

logger = logging.getLogger(__name__)

METRICS, EVENTS, TENSORBOARD = "metrics.parquet", "log.jsonl", "tensorboard"
QUARTERS = 4
"""Parts of [0, 1] by which losses are split: the model's task differs much with the noise level."""
FLUSH_STEPS, FLUSH_SECONDS = 50, 30.0
"""metrics.parquet is rewritten after this many steps or seconds, whichever comes first."""
MODALITIES = ("video", "audio")
INTEGERS = ("step", "epoch", "tokens", "samples")
FLOATS = (
    "loss",
    *(f"loss_{modality}" for modality in MODALITIES),
    *(f"loss_{modality}_q{quarter}" for modality in MODALITIES for quarter in range(1, QUARTERS + 1)),
    "lr",
    "grad_norm",
    "seconds",
    "data_wait",
)
MEASURED = tuple(f"heldout_{modality}" for modality in MODALITIES)
TEXTS = ("skipped", "bucket")
"""Why a step changed nothing, empty for a step that did; what its samples are of."""
CLIPS = "clips"
"""The ids of a step's samples, over all processes; one that came twice stands there twice."""

Row = dict[str, Any]


def mean_losses(modality: str, losses: Sequence[float], levels: Sequence[float]) -> dict[str, float | None]:
    """Mean of one modality's losses, whole and by quarter of the modality's own level; None where empty.

    Args:
        modality: "video" or "audio".
        losses: of the samples that count.
        levels: their levels in [0, 1].
    """
    parts: list[list[float]] = [[] for _ in range(QUARTERS)]
    for loss, level in zip(losses, levels, strict=True):
        parts[min(int(level * QUARTERS), QUARTERS - 1)].append(loss)
    named: dict[str, float | None] = {f"loss_{modality}": mean(losses)}
    for quarter, part in enumerate(parts, 1):
        named[f"loss_{modality}_q{quarter}"] = mean(part)
    return named


def mean(values: Sequence[float]) -> float | None:
    """Exactly rounded, so that the order of the samples changes nothing."""
    if not all(math.isfinite(value) for value in values):
        return math.nan
    return math.fsum(values) / len(values) if values else None


class RunLog:
    """Records of one run in `folder`."""

    def __init__(self, folder: Path, step: int = 0, *, tensorboard: bool = True) -> None:
        """Go on after `step` finished steps; later rows of an earlier try are cut off."""
        self.folder = folder
        self.rows = [row for row in _read(folder) if row["step"] <= step]
        self._written = time.monotonic()
        self._unwritten = 0
        self._board = _board(folder / TENSORBOARD, step) if tensorboard else None
        self.flush()

    def step(self, row: Mapping[str, Any]) -> None:
        """Record one optimizer step."""
        self.rows.append(dict(row))
        self._unwritten += 1
        if self._board is not None:
            _add_scalars(self._board, {name: row[name] for name in FLOATS if row.get(name) is not None}, row)
        if self._unwritten >= FLUSH_STEPS or time.monotonic() - self._written >= FLUSH_SECONDS:
            self.flush()

    def measured(self, step: int, values: Mapping[str, float]) -> None:
        """Record what was measured after `step` finished steps; names outside `MEASURED` only as an event."""
        if not self.rows and step == 0:
            self.rows.append(dict.fromkeys(INTEGERS, 0))
        if self.rows and self.rows[-1]["step"] == step:
            self.rows[-1].update({name: values[name] for name in MEASURED if name in values})
        self.event("measured", step=step, **values)
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"measured/{name}", value, step)
        self.flush()

    def event(self, name: str, **facts: Any) -> None:
        """Append a line to log.jsonl."""
        line = json.dumps({"time": round(time.time(), 3), "event": name, **facts}, ensure_ascii=False)
        path = self.folder / EVENTS
        try:
            with path.open("a", encoding="utf-8") as handle:
                handle.write(line + "\n")
        except OSError as error:
            raise explain(error, path) from error

    def flush(self) -> None:
        """Write metrics.parquet.

        Raises:
            StoreError: when the disk is full, read-only or not permitted; the old file stays.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        fields = [(name, pa.int64()) for name in INTEGERS] + [
            (name, pa.float64()) for name in (*FLOATS, *MEASURED)
        ]
        fields += [(name, pa.string()) for name in TEXTS]
        fields.append((CLIPS, pa.list_(pa.string())))
        table = pa.Table.from_pylist(self.rows, schema=pa.schema(fields))
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        write_atomic(self.folder / METRICS, buffer.getvalue())
        self._written, self._unwritten = time.monotonic(), 0
        if self._board is not None:
            self._board.flush()

    def close(self) -> None:
        """Write what is left."""
        self.flush()
        if self._board is not None:
            self._board.close()


def read_metrics(folder: Path) -> list[Row]:
    """Rows of a run's optimizer steps, in order; none when there is no readable metrics.parquet."""
    return [row for row in _read(folder) if row["step"] > 0]


def read_measured(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) by name of `MEASURED`, from step 0 (the base model) on; without those never measured."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in _read(folder):
        for name in MEASURED:
            if row.get(name) is not None:
                found.setdefault(name, []).append((row["step"], row[name]))
    return found


def _read(folder: Path) -> list[Row]:
    """All rows, that of step 0 included."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / METRICS
    if not path.exists():
        return []
    try:
        rows: list[Row] = pq.ParquetFile(path).read().to_pylist()
    except (pa.ArrowException, OSError) as error:
        logger.warning("%s is not readable (%s); it is written anew from here on", path, error)
        return []
    return rows


def _tag(name: str) -> str:
    """TensorBoard's name: losses in one group, the rest in another."""
    return f"loss/{name.removeprefix('loss_')}" if name.startswith("loss_") else f"train/{name}"


def _add_scalars(board: Any, values: Mapping[str, float], row: Mapping[str, Any]) -> None:
    """All scalars of a step as one event; an event for each would take a millisecond of every step."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    found = [Summary.Value(tag=_tag(name), simple_value=value) for name, value in values.items()]
    board.file_writer.add_summary(Summary(value=found), row["step"])


def _board(folder: Path, step: int) -> Any:
    """TensorBoard's writer, or None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        logger.info("tensorboard is not installed; no events are written")
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)
