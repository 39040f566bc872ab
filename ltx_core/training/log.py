"""The run's records: metrics.parquet (a row per optimizer step), log.jsonl, and the trackers they feed.

`metrics.parquet` is replaced whole, so a kill leaves a readable file; a resumed run cuts it back to the
step of its checkpoint, and so ends with the rows of an unbroken run. What is measured after a step (held-out
loss) stands in that step's row; a row of step 0 holds what was measured before the first.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ltx_core.errors import StoreError
from ltx_core.store.disk import explain, write_atomic
from ltx_core.training.trackers.base import Feed, Opening

logger = logging.getLogger(__name__)

METRICS, EVENTS, SAMPLES = "metrics.parquet", "log.jsonl", "samples"
QUARTERS = 4
"""Parts of [0, 1] by which losses are split: the model's task differs much with the noise level."""
FLUSH_STEPS, FLUSH_SECONDS = 50, 30.0
"""metrics.parquet is rewritten after this many steps or seconds, whichever comes first."""
MODALITIES = ("video", "audio")
INTEGERS = ("step", "epoch", "tokens", "samples", "peak_bytes")
TIMES = (
    "seconds",
    "data_wait",
    "tokens_per_second",
    "mfu",
    "forward_seconds",
    "backward_seconds",
    "optimizer_seconds",
    "hooks_seconds",
)
"""Columns that tell time."""
FLOATS = (
    "loss",
    *(f"loss_{modality}" for modality in MODALITIES),
    *(f"loss_{modality}_q{quarter}" for modality in MODALITIES for quarter in range(1, QUARTERS + 1)),
    "lr",
    *(f"lr_{modality}" for modality in MODALITIES),
    "grad_norm",
    *TIMES,
)
TIMED = frozenset({*TIMES, "peak_bytes"})
"""Numbers of a row that tell of the machine and the moment; all others are a resumed run's to the bit."""
MEASURED = tuple(f"heldout_{modality}" for modality in MODALITIES)
TEXTS = ("skipped", "bucket")
"""Why a step changed nothing, empty for a step that did; what its samples are of."""
CLIPS = "clips"
"""The ids of a step's samples, over all processes; one that came twice stands there twice."""

KNOWN = frozenset({*INTEGERS, *FLOATS, *MEASURED, *TEXTS, CLIPS})
SHOWN = (".png", ".mp4", ".wav")
"""Samples' files that trackers take."""

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

    def __init__(
        self,
        folder: Path,
        step: int = 0,
        trackers: Sequence[Opening] = (),
        told: Callable[[str, Mapping[str, Any]], None] | None = None,
    ) -> None:
        """Go on after `step` finished steps; later rows of an earlier try are cut off.

        Args:
            folder: of the run.
            step: finished steps.
            trackers: to be fed.
            told: gets the trackers' events, too, from their threads.
        """
        self.folder, self._told = folder, told
        self.rows = [row for row in _read(folder) if row["step"] <= step]
        self._written = time.monotonic()
        self._unwritten = 0
        self._untold, self._telling = "", threading.Lock()
        self._others = set(self.rows[0]) - KNOWN if self.rows else set()
        done = [row for row in self.rows if row["step"] > 0]
        self._feeds = [Feed(opening, folder, step, done, self._fed) for opening in trackers]
        self.flush()

    def step(self, row: Mapping[str, Any]) -> None:
        """Record one optimizer step; numbers of other names than this module's get columns of their own."""
        self.rows.append(dict(row))
        self._others |= {name for name in row.keys() - KNOWN if _is_number(row[name])}
        self._unwritten += 1
        for feed in self._feeds:
            feed.step(row)
        if self._unwritten >= FLUSH_STEPS or time.monotonic() - self._written >= FLUSH_SECONDS:
            self.try_flush()

    def measured(self, step: int, values: Mapping[str, float]) -> None:
        """Record what was measured after `step` finished steps; names outside `MEASURED` only as an event."""
        if not self.rows and step == 0:
            self.rows.append({**dict.fromkeys(INTEGERS, 0), "peak_bytes": None})
        if self.rows and self.rows[-1]["step"] == step:
            self.rows[-1].update({name: values[name] for name in MEASURED if name in values})
        self.event("measured", step=step, **values)
        for feed in self._feeds:
            feed.measured(step, values, {})
        self.try_flush()

    def sampled(self, step: int) -> None:
        """Hand the samples of `step` to the trackers, where there are any."""
        folder = self.folder / SAMPLES / f"step_{step:06d}"
        if self._feeds and folder.is_dir():
            files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in SHOWN}
            for feed in self._feeds if files else ():
                feed.measured(step, {}, files)

    def event(self, name: str, **facts: Any) -> None:
        """Append a line to log.jsonl; on a full disk it waits for the next one."""
        line = json.dumps({"time": round(time.time(), 3), "event": name, **facts}, ensure_ascii=False)
        with self._telling:  # trackers' threads have events, too
            self._tell(line + "\n")

    def _fed(self, name: str, **facts: Any) -> None:
        """An event of a tracker."""
        self.event(name, **facts)
        if self._told is not None:
            self._told(name, facts)

    def _tell(self, line: str) -> None:
        self._untold += line
        path = self.folder / EVENTS
        size = path.stat().st_size if path.exists() else 0
        try:
            with path.open("a", encoding="utf-8") as handle:
                handle.write(self._untold)
            self._untold = ""
        except OSError as error:
            logger.warning("%s", explain(error, path))
            with contextlib.suppress(OSError):
                os.truncate(path, size)  # a half line

    def try_flush(self) -> None:
        """Write metrics.parquet, or tell why not: a disk that is full now may have room at the next try."""
        try:
            self.flush()
        except StoreError as error:
            self._written, self._unwritten = time.monotonic(), 0
            logger.warning("%s", error)

    def flush(self) -> None:
        """Write metrics.parquet.

        Raises:
            StoreError: when the disk is full, read-only or not permitted; the old file stays.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        floats = (*FLOATS, *MEASURED, *sorted(self._others))
        fields = [(name, pa.int64()) for name in INTEGERS] + [(name, pa.float64()) for name in floats]
        fields += [(name, pa.string()) for name in TEXTS]
        fields.append((CLIPS, pa.list_(pa.string())))
        table = pa.Table.from_pylist(self.rows, schema=pa.schema(fields))
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        write_atomic(self.folder / METRICS, buffer.getvalue())
        self._written, self._unwritten = time.monotonic(), 0

    def close(self, *, finished: bool = True) -> None:
        """Write what is left; `finished`: not asked to stop, so that there is time."""
        self.try_flush()
        for feed in self._feeds:
            feed.close(finished=finished)


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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
