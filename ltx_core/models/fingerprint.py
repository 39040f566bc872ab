"""The fingerprint of a model's component: what its numbers depend on, whatever folder it lies in.

Design choices
- Of a weights file: its length, its safetensors header (names, types, shapes) and 16 blocks spread over it;
  a file of up to 64 MiB is read whole. A 40 GB checkpoint takes a fraction of a second.
- Of a JSON file: its content without the keys that say where or by which version it was written.
- Remembered in memory by (path, size, mtime).
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from ltx_core.store.keys import digest, digest_bytes

BLOCKS, BLOCK_BYTES = 16, 1 << 20
"""Blocks sampled from a large weights file, and the length of each."""
WHOLE_BYTES = 64 << 20
"""A file up to this length is read whole."""
IGNORED_KEYS = frozenset(("_name_or_path", "_diffusers_version", "transformers_version"))
"""Keys of a config that do not change a result."""
NAMES_ONLY = frozenset(("README.md", ".gitattributes", "model_index.json"))
"""Files of a component's folder that do not change a result."""


def fingerprint_folder(folder: Path) -> str:
    """Fingerprint of a component's folder; "absent" where there is none."""
    if not folder.is_dir():
        return "absent"
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in NAMES_ONLY)
    return digest([[path.name, fingerprint_file(path)] for path in files])


def fingerprint_file(path: Path) -> str:
    """Fingerprint of one file, remembered while its length and time of change stay."""
    stat = path.stat()
    return _fingerprint(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _fingerprint(path: Path, size: int, mtime_ns: int) -> str:
    if path.suffix == ".json":
        try:
            return digest(_without_ignored(json.loads(path.read_bytes())))
        except ValueError:
            return digest_bytes(path.read_bytes())
    if size <= WHOLE_BYTES:
        return digest_bytes(path.read_bytes())
    return _sampled(path, size)


def _sampled(path: Path, size: int) -> str:
    state = hashlib.sha256(size.to_bytes(8, "little"))
    with path.open("rb") as handle:
        prefix = handle.read(8)
        header = int.from_bytes(prefix, "little") if path.suffix == ".safetensors" else BLOCK_BYTES
        state.update(prefix + handle.read(min(header, size)))
        for index in range(BLOCKS):
            handle.seek((size - BLOCK_BYTES) * index // (BLOCKS - 1))
            state.update(handle.read(BLOCK_BYTES))
    return state.hexdigest()


def _without_ignored(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ignored(item) for key, item in value.items() if key not in IGNORED_KEYS}
    return value
