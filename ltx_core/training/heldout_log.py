"""heldout.parquet: a run's evaluations in full, a row per step, split, modality, condition and noise level.

Design choices
- A file of its own beside `metrics.parquet`: conditions and levels differ by config, so that they are rows
  here and would be ever other columns there. The means over the levels stand in both.
- It is replaced whole, so a kill leaves a readable file; a resumed run cuts it back to the step of its
  checkpoint, and a step that is measured again replaces its rows.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ltx_core.store.disk import write_atomic

logger = logging.getLogger(__name__)

HELDOUT = "heldout.parquet"
ALL = "all"
"""Name of the condition where every condition of the mode applies."""
SPLITS = ("heldout", "train")


@dataclass(frozen=True)
class HeldoutRow:
    """Mean loss at one noise level.

    Attributes:
        step: finished optimizer steps; 0: before the first.
        split: "heldout", or "train" for training clips that are measured in the same way.
        modality: "video" or "audio".
        condition: "all" where every condition applies, "without video.first_frame" where that one does not.
        level: the noise level in (0, 1].
        loss: mean over the clips, over the tokens that are generated when every condition applies.
        clips: how many those are.
    """

    step: int
    split: str
    modality: str
    condition: str
    level: float
    loss: float
    clips: int

    def as_dict(self) -> dict[str, Any]:
        """The row as a table shows it."""
        return asdict(self)


def means(rows: Iterable[HeldoutRow], condition: str = ALL) -> dict[str, float]:
    """Mean over the levels by "heldout_video", "train_audio", ... of one evaluation and one condition."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.condition == condition:
            found.setdefault(f"{row.split}_{row.modality}", []).append(row.loss)
    return {name: math.fsum(losses) / len(losses) for name, losses in sorted(found.items())}


def read_heldout(folder: Path) -> list[HeldoutRow]:
    """Rows of a run's evaluations, in the order of the steps; none without a readable file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / HELDOUT
    if not path.exists():
        return []
    try:
        rows = pq.ParquetFile(path).read().to_pylist()
        return [HeldoutRow(**row) for row in rows]
    except (pa.ArrowException, OSError, TypeError) as error:
        logger.warning("%s is not readable (%s); it is written anew from here on", path, error)
        return []


def record_heldout(folder: Path, step: int, rows: Sequence[HeldoutRow]) -> None:
    """Add the rows of an evaluation after `step`; rows of this step and of later ones are replaced.

    Raises:
        StoreError: when the disk is full, read-only or not permitted; the old file stays.
    """
    _write(folder, [*(row for row in read_heldout(folder) if row.step < step), *rows])


def cut_heldout(folder: Path, step: int) -> None:
    """Leave out rows of steps after `step`, which an earlier try got further than this one begins."""
    rows = read_heldout(folder)
    kept = [row for row in rows if row.step <= step]
    if len(kept) < len(rows):
        _write(folder, kept)


def by_step(rows: Iterable[HeldoutRow]) -> Mapping[int, list[HeldoutRow]]:
    """The rows of each evaluation, in the order of the steps."""
    found: dict[int, list[HeldoutRow]] = {}
    for row in rows:
        found.setdefault(row.step, []).append(row)
    return dict(sorted(found.items()))


def _write(folder: Path, rows: Sequence[HeldoutRow]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = ("split", "modality", "condition")
    fields = [("step", pa.int64()), *((name, pa.string()) for name in texts)]
    fields += [("level", pa.float64()), ("loss", pa.float64()), ("clips", pa.int64())]
    table = pa.Table.from_pylist([row.as_dict() for row in rows], schema=pa.schema(fields))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_atomic(folder / HELDOUT, buffer.getvalue())
