"""What the stand-in hub knows of contents: which are large, their digests, what a card may say."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import yaml

LICENSES = ("apache-2.0", "mit", "cc-by-4.0", "unknown", "other")
LFS_ABOVE = 1000
"""Bytes from which on a file is large; so are all weights."""


class AnswerError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, code: str = "", **more: str) -> None:
        super().__init__(message)
        self.status, self.code, self.more = status, code, more


def mode(one: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    large = one["size"] > LFS_ABOVE or one["path"].endswith(".safetensors")
    content = files.get(one["path"])
    oid = None
    if content is not None:
        oid = hashlib.sha256(content).hexdigest() if large else git_oid(content)
    mode = "lfs" if large else "regular"
    return {"path": one["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def validated(wish: dict[str, Any]) -> Any:
    """Errors of a card's front matter, as the hub finds them."""
    found = re.match(r"\A---\n(.*?)\n---\n", wish["content"], re.DOTALL)
    front = yaml.safe_load(found[1]) if found else {}
    errors = []
    if front.get("license") not in (None, *LICENSES):
        errors.append('"license" must be one of [...]')
    base = front.get("base_model")
    if base is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", str(base)):
        errors.append('"base_model" is not valid. Use a model id from the hub')
    if errors:
        raise AnswerError(400, "; ".join(errors))
    return {"errors": [], "warnings": []}
