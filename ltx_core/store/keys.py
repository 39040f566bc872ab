"""Digests and row keys: what a result depends on, as one name.

A row key says everything that a result depends on, so whether a result is valid is a look-up:
stage, stage version, the stage's config section, the content digests of its inputs, the model's fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=True).encode
"""Made once: a plan over thousands of rows digests a hundred thousand values."""
DIGEST_LENGTH = 32
"""Hex characters kept of a SHA-256: 128 bits, enough for billions of rows."""


def canonical(value: Any) -> str:
    """`value` as JSON with sorted keys and no spaces: equal values give equal text."""
    return _ENCODE(value)


def digest_bytes(data: bytes | memoryview) -> str:
    """Digest of raw bytes."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH]


def digest(value: Any) -> str:
    """Digest of a JSON-able value."""
    return digest_bytes(canonical(value).encode("utf-8", "surrogatepass"))


def digest_file(path: Path) -> str:
    """Digest of a file's bytes, read in 1 MiB blocks."""
    state = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            state.update(block)
    return state.hexdigest()[:DIGEST_LENGTH]


def row_key(
    stage: str, version: int, section: Mapping[str, Any], inputs: Sequence[str], fingerprint: str = ""
) -> str:
    """The key of one result.

    Args:
        stage: name of the stage.
        version: the stage's own version; raised when its numbers change.
        section: the part of the config that changes the result.
        inputs: content digests of the inputs, in order.
        fingerprint: of the model that is used, or "".
    """
    return digest([stage, version, section, list(inputs), fingerprint])


class Keys:
    """`row_key` for many inputs of one stage: what they have in common is written out once."""

    def __init__(self, stage: str, version: int, section: Mapping[str, Any], fingerprint: str = "") -> None:
        self._state = hashlib.sha256(
            canonical([stage, version, section])[:-1].encode("utf-8", "surrogatepass") + b","
        )
        self._end = f",{canonical(fingerprint)}]".encode()

    def of(self, inputs: Sequence[str]) -> str:
        """The key of one result, as `row_key` gives it."""
        state = self._state.copy()
        listed = "[" + ",".join(map(encode_basestring, inputs)) + "]"  # what `canonical` gives for texts
        state.update(listed.encode("utf-8", "surrogatepass") + self._end)
        return state.hexdigest()[:DIGEST_LENGTH]
