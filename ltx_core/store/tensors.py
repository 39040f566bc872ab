"""Write a safetensors file tensor by tensor: its bytes are a function of the content, nothing is held whole.

The library's own writer takes all tensors at once, copies them, and writes metadata in random order.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ltx_core.store.disk import TEMPORARY_PREFIX, explain, sync_folder

NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""The format's names of types."""


@dataclass(frozen=True)
class Entry:
    """A tensor to be written.

    Attributes:
        name: in the file.
        shape: of the tensor.
        dtype: in the file.
        read: gives the tensor, of any type and on any device.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]

    @classmethod
    def of(cls, name: str, tensor: Tensor, dtype: torch.dtype | None = None) -> Entry:
        """A tensor that is there, cast to `dtype` when it is written."""
        return cls(name, tuple(tensor.shape), dtype or tensor.dtype, lambda: tensor)

    @property
    def nbytes(self) -> int:
        """Length in the file."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


Whole = Callable[[Tensor], Tensor]
_WHOLE: ContextVar[Whole | None] = ContextVar("whole", default=None)


@contextlib.contextmanager
def brought_together(whole: Whole) -> Iterator[None]:
    """Inside the block each tensor is written as `whole` gives it: of one that is spread over processes."""
    token = _WHOLE.set(whole)
    try:
        yield
    finally:
        _WHOLE.reset(token)


def write_tensors(path: Path, entries: Iterable[Entry], metadata: Mapping[str, str] | None = None) -> None:
    """Write `entries` to `path`, wide types first so that all are aligned; the caller syncs and renames.

    Raises:
        OSError: when the disk does not take it.
        ValueError: when a tensor is not of its stated shape.
    """
    ordered = sorted(entries, key=lambda entry: (-entry.dtype.itemsize, entry.name))
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    start = 0
    for entry in ordered:
        end = start + entry.nbytes
        header[entry.name] = {
            "dtype": NAMES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    whole = _WHOLE.get()
    with path.open("wb") as handle:
        handle.write(struct.pack("<Q", len(text)) + text)
        for entry in ordered:
            tensor = entry.read() if whole is None else whole(entry.read())
            if tuple(tensor.shape) != entry.shape:
                raise ValueError(f"{entry.name} is {tuple(tensor.shape)}; it must be {entry.shape}")
            flat = tensor.detach().to("cpu", entry.dtype).contiguous().reshape(-1)
            handle.write(flat.view(torch.uint8).numpy().data)


def save_tensors(path: Path, entries: Iterable[Entry], metadata: Mapping[str, str] | None = None) -> None:
    """`write_tensors`, but the file is there whole or not at all.

    Raises:
        StoreError: when the disk is full, read-only or not permitted.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(temporary, entries, metadata)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise explain(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
