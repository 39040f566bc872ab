"""The fingerprint of a model's component: what its numbers depend on, whatever folder it lies in.

Design choices
- Of a weights file: its length, its safetensors header (names, types, shapes) and 16 blocks spread over it;
  a file of up to 64 MiB is read whole. A 40 GB checkpoint takes a fraction of a second.
- Of a JSON file: its content without the keys that say where or by which version it was written.
- Remembered in memory by (path, size, mtime).
- Of a component within larger files: its config, the names, types and shapes of its weights, and its bytes by
  the same rule, in the order of its names. So it is the same in one file as in several.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ltx_core.models.component import Span, Stored
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


def fingerprint_parts(config: Mapping[str, Any], weights: Mapping[str, Stored]) -> str:
    """Fingerprint of a component of which parts of files are known, by the library's names."""
    ordered = sorted(weights.items())
    spans = tuple(span for _, stored in ordered for span in stored.spans)
    stats = {file: file.stat() for file in {span[0] for span in spans}}
    stamps = tuple(sorted((file, stat.st_size, stat.st_mtime_ns) for file, stat in stats.items()))
    facts = [[name, stored.dtype, list(stored.shape)] for name, stored in ordered]
    return digest([_without_ignored(dict(config)), facts, _sampled_spans(spans, stamps)])


@lru_cache(maxsize=256)
def _sampled_spans(spans: tuple[Span, ...], stamps: tuple[tuple[Path, int, int], ...]) -> str:
    """Digest of the bytes of spans as if they were one file; `stamps` tell whether files have changed."""
    total = sum(end - begin for _, begin, end in spans)
    whole = total <= WHOLE_BYTES
    wanted = (
        [(0, total)]
        if whole
        else [
            (start, start + BLOCK_BYTES)
            for start in ((total - BLOCK_BYTES) * index // (BLOCKS - 1) for index in range(BLOCKS))
        ]
    )
    state = hashlib.sha256(total.to_bytes(8, "little"))
    for file, begin, end in _pieces(spans, wanted):
        with file.open("rb") as handle:
            handle.seek(begin)
            state.update(handle.read(end - begin))
    return state.hexdigest()


def _pieces(spans: tuple[Span, ...], wanted: list[tuple[int, int]]) -> Iterator[Span]:
    """Where the ranges `wanted` of the joined spans lie."""
    for first, last in wanted:
        start = 0
        for file, begin, end in spans:
            low, high = max(first, start), min(last, start + end - begin)
            if low < high:
                yield file, begin + low - start, begin + high - start
            start += end - begin


def _without_ignored(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ignored(item) for key, item in value.items() if key not in IGNORED_KEYS}
    return value
