"""What a row is: one result of one stage, as written to Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ltx_core.store.keys import digest

if TYPE_CHECKING:
    from torch import Tensor

Status = Literal["ok", "rejected"]

SCHEMA_VERSION = 1
"""Version of the columns below; a reader refuses a store with a newer one."""

COMMON = (
    "row_key",
    "clip_id",
    "stage",
    "stage_version",
    "status",
    "reason",
    "inputs",
    "content_digest",
    "config_digest",
    "model_fingerprint",
    "part",
    "tensors",
    "files",
    "created_at",
)
"""Columns that every stage has; a stage's own typed columns stand beside them."""


@dataclass(frozen=True)
class PendingRow:
    """A result that is computed but not yet written.

    Attributes:
        row_key: see `keys.row_key`.
        clip_id: the clip it belongs to, or "" where clips share it (a text embedding).
        inputs: row keys of the inputs.
        tensors: name -> tensor, written to the part's safetensors.
        files: name (with suffix) -> bytes, written beside the part, named by their digest.
        columns: the stage's own columns.
        content: what the content digest covers besides tensors and files; None: all of `columns`.
        status: "ok" or "rejected".
        reason: why it was rejected.
    """

    row_key: str
    clip_id: str
    inputs: tuple[str, ...] = ()
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)
    content: Mapping[str, Any] | None = None
    status: Status = "ok"
    reason: str = ""


@dataclass(frozen=True)
class TensorRef:
    """Where a tensor lies: byte offset and length in the part's safetensors file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int
    checksum: str

    @classmethod
    def of_record(cls, ref: Mapping[str, Any]) -> TensorRef:
        """A reference from a Parquet record."""
        shape = tuple(ref["shape"])
        return cls(ref["name"], ref["dtype"], shape, ref["offset"], ref["length"], ref["checksum"])


@dataclass(frozen=True)
class FileRef:
    """A file beside the parts, named by its digest."""

    name: str
    path: str
    length: int
    checksum: str


@dataclass(frozen=True)
class StageMeta:
    """What all rows of one write have in common."""

    stage: str
    version: int
    config_digest: str = ""
    model_fingerprint: str = ""


@dataclass(frozen=True)
class Row:
    """A committed row."""

    row_key: str
    clip_id: str
    stage: str
    stage_version: int
    status: Status
    reason: str
    inputs: Sequence[str]
    content_digest: str
    config_digest: str
    model_fingerprint: str
    part: str
    tensors: Sequence[TensorRef]
    files: Sequence[FileRef]
    created_at: str
    columns: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether the result can be used."""
        return self.status == "ok"


def content_digest(
    pending: PendingRow, tensor_checksums: Mapping[str, Any], file_checksums: Mapping[str, str]
) -> str:
    """Digest of a result: equal results have equal digests, so what follows is not computed again."""
    content = pending.columns if pending.content is None else pending.content
    return digest(
        [pending.status, pending.reason, dict(content), dict(tensor_checksums), dict(file_checksums)]
    )
