"""The rows of many parts in one file, so that a plan over a large store opens one file per stage.

A pack is a copy: it may be missing, old or damaged, and is believed for a part only while that part's Parquet
file has the length and the time of change that it had then. Nothing but speed depends on it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltx_core.errors import StoreError
from ltx_core.store.disk import write_atomic
from ltx_core.store.rows import SCHEMA_VERSION, Row
from ltx_core.store.table import rows_of

logger = logging.getLogger(__name__)

NAME = ".rows.arrow"
PARTS_KEY = b"parts"
LEAST = 64
"""Parts outside of the pack from which on a new one is written; a third of all of them in a large store."""

Stamp = tuple[int, int]
"""Length and time of change of a part's Parquet file."""


@dataclass(frozen=True)
class Part:
    """A committed part as it was read: its rows in order, as a table and by key; its own columns."""

    stamp: Stamp
    tensor_bytes: int
    table: Any
    rows: Mapping[str, Row]
    columns: Sequence[str]


def is_due(parts: int, packed: int) -> bool:
    """Whether a store of `parts` parts, `packed` of them in the pack, is worth a new one."""
    return parts - packed >= max(LEAST, parts // 3)


def write_pack(folder: Path, parts: Mapping[str, Part]) -> None:
    """Write the pack of some parts by name; where that is not possible, nothing is written."""
    import pyarrow as pa

    facts = [
        {
            "name": name,
            "stamp": part.stamp,
            "bytes": part.tensor_bytes,
            "rows": part.table.num_rows,
            "columns": list(part.columns),
        }
        for name, part in parts.items()
    ]
    try:
        table = pa.concat_tables(
            (part.table.replace_schema_metadata(None) for part in parts.values()), promote_options="default"
        ).combine_chunks()
        said = json.dumps({"schema_version": SCHEMA_VERSION, "parts": facts}).encode()
        table = table.replace_schema_metadata({PARTS_KEY: said})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        write_atomic(folder / NAME, sink.getvalue())
    except (pa.ArrowException, StoreError) as error:  # columns of other types, or a disk that is not ours
        logger.debug("no pack in %s: %s", folder, error)


def read_pack(folder: Path) -> dict[str, Part]:
    """The parts of a folder's pack by name, none where it has no usable one."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(folder / NAME)) as source:
            table = pa.ipc.open_file(source).read_all()
        said = json.loads(table.schema.metadata[PARTS_KEY])
        if said["schema_version"] != SCHEMA_VERSION:
            return {}
        return _split(table, said["parts"])
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        if not isinstance(error, FileNotFoundError):
            logger.debug("the pack in %s is of no use: %s", folder, error)
        return {}


def _split(table: Any, facts: Sequence[Mapping[str, Any]]) -> dict[str, Part]:
    rows = rows_of(table, [(fact["rows"], fact["columns"]) for fact in facts])
    found, start = {}, 0
    for fact in facts:
        own = rows[start : start + fact["rows"]]
        found[fact["name"]] = Part(
            (fact["stamp"][0], fact["stamp"][1]),
            fact["bytes"],
            table.slice(start, fact["rows"]),
            {row.row_key: row for row in own},
            fact["columns"],
        )
        start += fact["rows"]
    return found
