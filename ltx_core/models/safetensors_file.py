"""A safetensors file's header: where each tensor lies, without reading any. No torch here.

Format: 8 bytes little-endian length, then JSON of that length (name -> dtype, shape, byte range after the
header; `__metadata__` -> strings), then the tensors' bytes (https://github.com/huggingface/safetensors).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ltx_core.models.component import Stored
from ltx_core.models.errors import ModelError

LARGEST_HEADER = 100 << 20
"""Bytes beyond which a header is taken for damage (safetensors' own limit)."""
LENGTH_BYTES = 8


def stored_in(path: Path) -> Mapping[str, Stored]:
    """Every tensor of a file by its name there, in the header's order.

    Raises:
        ModelError: when the file is missing or damaged, or shorter than its header says.
    """
    return _read(path)[0]


def file_metadata(path: Path) -> dict[str, str]:
    """The strings in the header of a safetensors file.

    Raises:
        ModelError: as `stored_in`.
    """
    return dict(_read(path)[1])


def _read(path: Path) -> tuple[Mapping[str, Stored], Mapping[str, str]]:
    try:
        stat = path.stat()
        return _remembered(path, stat.st_size, stat.st_mtime_ns)
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist; give a .safetensors file") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is damaged ({error}); get the file again") from error


@lru_cache(maxsize=256)
def _remembered(path: Path, size: int, mtime_ns: int) -> tuple[Mapping[str, Stored], Mapping[str, str]]:
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(LENGTH_BYTES), "little")
        if not 0 < length <= min(LARGEST_HEADER, size):
            raise ValueError(f"a header of {length} bytes in a file of {size}")
        header: dict[str, Any] = json.loads(handle.read(length))
    metadata = header.pop("__metadata__", {})
    start = LENGTH_BYTES + length
    found = {
        name: Stored(
            file=path,
            key=name,
            shape=tuple(entry["shape"]),
            dtype=entry["dtype"],
            begin=start + entry["data_offsets"][0],
            end=start + entry["data_offsets"][1],
        )
        for name, entry in header.items()
    }
    whole = max((stored.end for stored in found.values()), default=start)
    if whole != size:
        raise ValueError(f"its header describes {whole} bytes, the file has {size}")
    return found, metadata
