"""`ltx store verify`: every committed byte read again and compared with its checksum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ltx_core.errors import StoreError
from ltx_core.store.keys import digest_bytes, digest_file
from ltx_core.store.parts import read_part
from ltx_core.store.rows import Row
from ltx_core.store.store import Store


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and the part that holds it."""

    stage: str
    part: Path
    what: str


def verify(store: Store) -> tuple[int, list[Problem]]:
    """Check all parts of all stages.

    Returns:
        number of rows checked, and what is wrong.
    """
    checked, problems = 0, []
    for stage in store.stages():
        for path in sorted(store.folder(stage).glob("part-*.parquet")):
            try:
                rows, tensor_bytes = read_part(path)
            except StoreError as error:
                problems.append(Problem(stage, path, str(error)))
                continue
            checked += len(rows)
            problems += [Problem(stage, path, what) for what in _part_problems(path, rows, tensor_bytes)]
    return checked, problems


def repair(problems: list[Problem]) -> int:
    """Set damaged parts aside (renamed to `damaged-...`), so that the next run computes their rows anew."""
    parts = {problem.part for problem in problems}
    for path in parts:
        for file in (path, path.with_suffix(".safetensors")):
            if file.exists():
                file.rename(file.with_name("damaged-" + file.name + ".old"))
    return len(parts)


def _part_problems(path: Path, rows: list[Row], tensor_bytes: int) -> Iterator[str]:
    tensors = path.with_suffix(".safetensors")
    data = memoryview(tensors.read_bytes()) if tensors.exists() else memoryview(b"")
    if len(data) != tensor_bytes:
        yield f"{tensors.name} has {len(data)} bytes; {tensor_bytes} were written"
        return
    for row in rows:
        for reference in row.tensors:
            piece = data[reference.offset : reference.offset + reference.length]
            if digest_bytes(piece) != reference.checksum:
                yield f"tensor {reference.name!r} of row {row.row_key} (clip {row.clip_id}) is damaged"
        for file in row.files:
            target = path.parent / file.path
            if not target.exists():
                yield f"file {file.path} of row {row.row_key} (clip {row.clip_id}) is missing"
            elif digest_file(target) != file.checksum:
                yield f"file {file.path} of row {row.row_key} (clip {row.clip_id}) is damaged"
