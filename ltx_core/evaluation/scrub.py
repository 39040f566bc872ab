"""Secrets and folders of this machine are taken out of every file of a folder before it is handed on.

Design choices
- It works on the files as they lie there, whoever wrote them: nothing can be forgotten by a writer.
- Texts are rewritten, and so are the strings in headers of safetensors files: their tensors stay as they are.
- Tables are rewritten by their texts. What cannot be rewritten (a film, a picture) must not hold a secret:
  else nothing is published.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from ltx_core.errors import LtxError
from ltx_core.store.redact import Redactor

TEXTS = frozenset((".md", ".json", ".jsonl", ".yaml", ".yml", ".html", ".txt", ".csv", ".svg", ".model", ""))
"""Endings of files that are text."""
LENGTH_BYTES = 8
BLOCK = 1 << 24
LARGEST_HEADER = 100 << 20
"""Bytes beyond which a header is taken for damage (the limit of safetensors)."""


class SecretError(LtxError):
    """A file that is to be handed on holds a secret that cannot be taken out."""


def cleaned(value: Any, redactor: Redactor) -> Any:
    """A dataclass, mapping or sequence with its texts redacted, before any markup hides what they hold."""
    if isinstance(value, str):
        return redactor.text(value)
    if is_dataclass(value) and not isinstance(value, type):
        found = {one.name: cleaned(getattr(value, one.name), redactor) for one in fields(value) if one.init}
        return replace(value, **found)
    if isinstance(value, Mapping):
        return {cleaned(name, redactor): cleaned(one, redactor) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(cleaned(one, redactor) for one in value)
    return value


def scrub(folder: Path, redactor: Redactor) -> None:
    """Take secrets out of every file below `folder`, in place.

    Raises:
        SecretError: for one in a file that cannot be rewritten, or in a file's name.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            if redactor.text(name) != name:
                raise SecretError(
                    f"the name of the file {redactor.text(name)} would hold a secret of this machine's "
                    "environment; rename what it is named by"
                )
            _scrub_file(path, redactor)


def held(folder: Path, redactor: Redactor) -> list[str]:
    """Paths of the files below `folder` that `scrub` would change or refuse; nothing is written."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {path: path.relative_to(folder).as_posix() for path in files}
    return [
        redactor.text(name)
        for path, name in names.items()
        if redactor.text(name) != name or _holds(path, redactor)
    ]


def _holds(path: Path, redactor: Redactor) -> bool:
    if path.suffix == ".parquet":
        records, clean, _ = _table(path, redactor)
        return bool(records != clean)
    if path.suffix in TEXTS and (texts := _text(path, redactor)):
        return texts[0] != texts[1]
    if path.suffix == ".safetensors" and (header := _header(path, redactor)):
        return bool(header[0].get("__metadata__", {}) != header[1])
    return bool(_found(path, redactor))


def _scrub_file(path: Path, redactor: Redactor) -> None:
    if path.suffix == ".parquet":
        _scrub_table(path, redactor)
        return
    known = path.suffix in TEXTS and _scrub_text(path, redactor)
    if not known and not (path.suffix == ".safetensors" and _scrub_header(path, redactor)):
        _refuse(path, redactor)


def _text(path: Path, redactor: Redactor) -> tuple[str, str] | None:
    """A text as it is and as it should be; None for a file that is none."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text, redactor.text(text)


def _scrub_text(path: Path, redactor: Redactor) -> bool:
    """Rewrite a text; False for a file that is none."""
    found = _text(path, redactor)
    if found is not None and found[0] != found[1]:
        path.write_bytes(found[1].encode("utf-8"))
    return found is not None


def _header(path: Path, redactor: Redactor) -> tuple[dict[str, Any], dict[str, str], int] | None:
    """A header, its strings as they should be, and where tensors begin; None for a file without a header."""
    with path.open("rb") as source:
        length = int.from_bytes(source.read(LENGTH_BYTES), "little")
        try:
            header = json.loads(source.read(min(length, LARGEST_HEADER)))
        except ValueError:
            return None
    strings = header.get("__metadata__", {})
    clean = {redactor.text(name): _string(value, redactor) for name, value in strings.items()}
    return header, clean, LENGTH_BYTES + length


def _scrub_header(path: Path, redactor: Redactor) -> bool:
    """Rewrite the strings of a header, its tensors are copied then; False for a file without a header."""
    found = _header(path, redactor)
    if found is None:
        return False
    header, clean, begin = found
    if clean == header.get("__metadata__", {}):
        return True
    content = json.dumps({**header, "__metadata__": clean}, separators=(",", ":")).encode()
    content += b" " * (-len(content) % LENGTH_BYTES)  # tensors begin at a multiple of 8 bytes
    other = path.with_name(path.name + ".clean")
    with path.open("rb") as source, other.open("wb") as target:
        source.seek(begin)
        target.write(len(content).to_bytes(LENGTH_BYTES, "little") + content)
        shutil.copyfileobj(source, target, BLOCK)
    other.replace(path)
    return True


def _string(value: str, redactor: Redactor) -> str:
    """A string of a header; JSON in it is redacted as data, so that it stays JSON."""
    clean = redactor.text(value)
    if clean != value and value[:1] in ("{", "["):
        with contextlib.suppress(ValueError):
            return json.dumps(redactor.data(json.loads(value)), sort_keys=True)
    return clean


def _table(path: Path, redactor: Redactor) -> tuple[Any, Any, Any]:
    """Records of a table as they are and as they should be, and its schema."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    records = table.to_pylist()
    return records, redactor.data(records), table.schema


def _scrub_table(path: Path, redactor: Redactor) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    records, clean, schema = _table(path, redactor)
    if clean != records:
        pq.write_table(pa.Table.from_pylist(clean, schema=schema), path, compression="zstd")


def _refuse(path: Path, redactor: Redactor) -> None:
    """Refuse a file that cannot be rewritten and holds a secret."""
    if found := _found(path, redactor):
        raise SecretError(
            f"{path.name} holds the value of the environment variable {', '.join(found)}, which must "
            "not be handed on; nothing was published. Take it out of what this file is made of"
        )


def _found(path: Path, redactor: Redactor) -> list[str]:
    """Names of the secrets in the bytes of a file, across the ends of blocks too."""
    longest = max((len(value.encode()) for value in redactor.secrets.values()), default=0)
    rest = b""
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            if found := redactor.held_in(rest + block):
                return found
            rest = block[-longest:] if longest else b""
    return []
