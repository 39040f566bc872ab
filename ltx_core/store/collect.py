"""`ltx store gc`: remove parts that no dataset, run or report names, nor the config that it is given."""

from __future__ import annotations

from collections.abc import Collection

from ltx_core.errors import LtxError
from ltx_core.store.disk import held_locks
from ltx_core.store.rows import Row
from ltx_core.store.store import Store, is_young

BEFORE_DATASET = ("imported", "sources", "scenes", "buckets", "clips", "scores", "scorers", "captions")
ROOTS = (*BEFORE_DATASET, "dataset", "train", "evaluate", "publish", "push")
"""Stages whose rows are kept; what they name directly or through others is kept with them. Those before the
dataset are small, say why something was set aside, and a caption may have been paid for. The files of
imported rows may be gone."""


def collect(store: Store, *, dry_run: bool = False, keep: Collection[str] = ()) -> list[str]:
    """Delete parts of which no row is in use, and what killed writes left behind.

    Nothing is deleted while the store holds no dataset: then nothing says what is in use. A part younger than
    `UNFINISHED_AGE` stays: a run that goes on may be about to name it.

    Args:
        store: to be collected.
        dry_run: only say what would be removed.
        keep: row keys that are in use, though nothing in the store may name them yet: of a preparation that
            was interrupted.

    Returns:
        names of the removed parts, as `<stage>/<part>`.

    Raises:
        LtxError: while a run computes rows in the store: nothing names them before it ends.
    """
    held = held_locks(store.root / ".locks")
    if held:
        stages = ", ".join(sorted({path.name.rpartition("-")[0] for path in held}))
        raise LtxError(
            f"a run is computing rows of this store ({stages}); nothing is removed while it may need them: "
            "wait for its end or stop it, then run `ltx store gc` again"
        )
    rows: dict[str, Row] = {row.row_key: row for stage in store.stages() for row in store.rows(stage)}
    if not any(row.stage == "dataset" for row in rows.values()):
        return []
    used = _reachable(rows, keep)
    by_part: dict[tuple[str, str], list[Row]] = {}
    for row in rows.values():
        by_part.setdefault((row.stage, row.part), []).append(row)
    removed = []
    for (stage, part), members in sorted(by_part.items()):
        path = store.folder(stage) / f"{part}.parquet"
        if any(row.row_key in used for row in members) or is_young(path):
            continue
        removed.append(f"{stage}/{part}")
        if not dry_run:
            path.unlink(missing_ok=True)
            path.with_suffix(".safetensors").unlink(missing_ok=True)
    if not dry_run:
        for stage in store.stages():
            store.sweep(stage)
    return removed


def _reachable(rows: dict[str, Row], keep: Collection[str]) -> set[str]:
    pending = [*keep, *(key for key, row in rows.items() if row.stage in ROOTS)]
    used: set[str] = set()
    while pending:
        key = pending.pop()
        if key in used or key not in rows:
            continue
        used.add(key)
        pending.extend(rows[key].inputs)
    return used
