"""One part on disk: a safetensors file of tensors and a Parquet file of rows, which is the commit marker.

Design choices
- The tensors' file is written and synced first; the Parquet file's rename commits the part.
- A part is named by the digest of its row keys, so a repeated write of the same rows gives the same names.
- Parts are never edited. Files that people look at (reference videos) lie beside the parts in `files/`,
  named by the digest of their bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ltx_core.errors import StoreError
from ltx_core.store.disk import write_atomic
from ltx_core.store.keys import digest, digest_bytes, digest_file
from ltx_core.store.rows import SCHEMA_VERSION, FileRef, PendingRow, Row, StageMeta, TensorRef, content_digest
from ltx_core.store.table import rows_of

METADATA_KEY = b"ltx"
"""Key of the Parquet schema metadata that holds the part's facts as JSON."""


def write_part(folder: Path, meta: StageMeta, pending: Sequence[PendingRow]) -> None:
    """Write `pending` as one part of `folder`; it exists when this returns and not before."""
    name = "part-" + digest([row.row_key for row in pending])
    blob, references = pack_tensors(pending)
    if blob:
        write_atomic(folder / f"{name}.safetensors", blob)
    records = []
    for row in pending:
        files = tuple(_write_file(folder, file, data) for file, data in row.files.items())
        records.append(_record(row, meta, name, references.get(row.row_key, ()), files))
    write_atomic(folder / f"{name}.parquet", _parquet(records, len(blob)))


def pack_tensors(pending: Sequence[PendingRow]) -> tuple[bytes, dict[str, tuple[TensorRef, ...]]]:
    """Safetensors bytes of all rows' tensors, and where each lies; b"" where there is none."""
    named = {f"{row.row_key}/{name}": tensor for row in pending for name, tensor in row.tensors.items()}
    if not named:
        return b"", {}
    from safetensors.torch import save

    blob = save({name: tensor.detach().cpu().contiguous() for name, tensor in named.items()})
    (header_length,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8 : 8 + header_length])
    start = 8 + header_length
    references: dict[str, list[TensorRef]] = {}
    for full_name in sorted(named):
        row_key, name = full_name.split("/", 1)
        entry = header[full_name]
        begin, end = entry["data_offsets"]
        checksum = digest_bytes(memoryview(blob)[start + begin : start + end])
        reference = TensorRef(
            name, entry["dtype"], tuple(entry["shape"]), start + begin, end - begin, checksum
        )
        references.setdefault(row_key, []).append(reference)
    return blob, {key: tuple(found) for key, found in references.items()}


def read_part(path: Path) -> tuple[list[Row], int]:
    """Rows of a committed part and the length of its tensors' file in bytes; raises as `read_table`."""
    table, tensor_bytes = read_table(path)
    return rows_of(table), tensor_bytes


def read_table(path: Path) -> tuple[Any, int]:
    """The `pyarrow.Table` of a committed part and the length of its tensors' file in bytes.

    Raises:
        StoreError: when the Parquet file is damaged or of a newer schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read(use_threads=False)  # a third of the time of `read_table`
        facts = json.loads((table.schema.metadata or {})[METADATA_KEY])
    except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
        raise StoreError(
            f"{path} is damaged ({error}); remove it and run again: its rows are computed anew"
        ) from error
    if facts["schema_version"] > SCHEMA_VERSION:
        raise StoreError(
            f"{path} was written by a newer version of ltx-flows (schema {facts['schema_version']}, "
            f"this one reads up to {SCHEMA_VERSION}); update ltx-flows or use another workspace"
        )
    return table, int(facts["tensor_bytes"])


def _write_file(folder: Path, name: str, data: bytes) -> FileRef:
    checksum = digest_bytes(data)
    relative = f"files/{checksum}{Path(name).suffix}"
    target = folder / relative
    if not target.exists() or digest_file(target) != checksum:  # a damaged one is written again
        write_atomic(target, data)
    return FileRef(name, relative, len(data), checksum)


def _record(
    row: PendingRow,
    meta: StageMeta,
    part: str,
    tensors: tuple[TensorRef, ...],
    files: tuple[FileRef, ...],
) -> dict[str, Any]:
    tensor_facts = {ref.name: [ref.dtype, list(ref.shape), ref.checksum] for ref in tensors}
    return {
        "row_key": row.row_key,
        "clip_id": row.clip_id,
        "stage": meta.stage,
        "stage_version": meta.version,
        "status": row.status,
        "reason": row.reason,
        "inputs": list(row.inputs),
        "content_digest": content_digest(row, tensor_facts, {ref.name: ref.checksum for ref in files}),
        "config_digest": meta.config_digest,
        "model_fingerprint": meta.model_fingerprint,
        "part": part,
        "tensors": [{**vars(ref), "shape": list(ref.shape)} for ref in tensors],
        "files": [vars(ref) for ref in files],
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **row.columns,
    }


def _parquet(records: list[dict[str, Any]], tensor_bytes: int) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = dict.fromkeys(name for record in records for name in record)
    table = pa.Table.from_pydict({name: [record.get(name) for record in records] for name in columns})
    facts = json.dumps({"schema_version": SCHEMA_VERSION, "tensor_bytes": tensor_bytes})
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: facts}), sink, compression="zstd")
    return bytes(sink.getvalue())
