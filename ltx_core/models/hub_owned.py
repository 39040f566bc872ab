"""Which files of a repository are ours: those that an earlier push has listed in its `lineage.json`.

Design choices
- A name proves nothing: people keep a `model.safetensors` or samples of their own beside a publication. A
  push replaces and removes what a push has put there, by the list that goes with it.
- Pushes of earlier versions left no list: what they published is replaced, and nothing is removed.
- A card that the hub has made with the repository, front matter alone, is nobody's text.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

SIGN = "lineage.json"
"""The file by which a repository is known to hold an earlier push."""
FILES = "files"
"""In it: the list."""
CARD = "README.md"
OWN_NAMES = (
    "lora.safetensors",
    "pytorch_lora_weights.safetensors",
    "merged.safetensors",
    "model.safetensors",
    "merged/*",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model*",
    "best/*",
    "lineage/*.parquet",
    "samples/[0-9][0-9]*.mp4",
    "samples/[0-9][0-9]*.wav",
    "samples/sheet.png",
)
"""What a publication may have: what others have put there under these names is told."""
MOST_NAMES = 10


@dataclass(frozen=True)
class Changes:
    """What a push does to a repository.

    Attributes:
        removed: files of the earlier push that are no longer published.
        foreign: files that nobody of us has put there, in the place of what is pushed.
        kept: files of others that bear a name of a publication and stay.
    """

    removed: tuple[str, ...]
    foreign: tuple[str, ...]
    kept: tuple[str, ...]


def changes(there: Collection[str], pushed: Collection[str], lineage: bytes | None, card: bytes) -> Changes:
    """What a push of some files would do.

    Args:
        there: names of the repository's files.
        pushed: names of the files that are pushed.
        lineage: the repository's `lineage.json`; None where it has none.
        card: its card; b"" where it has none.
    """
    ours = _ours(lineage, there, pushed)
    if is_bare(card):
        ours |= {CARD}
    theirs = [name for name in sorted(there) if name not in ours]
    return Changes(
        removed=tuple(sorted(ours.intersection(there).difference(pushed))),
        foreign=tuple(name for name in theirs if name in pushed),
        kept=tuple(
            name for name in theirs if name not in pushed and any(fnmatch(name, known) for known in OWN_NAMES)
        ),
    )


def _ours(lineage: bytes | None, there: Collection[str], pushed: Collection[str]) -> set[str]:
    """Files of the earlier push."""
    found = _read(lineage or b"")
    if isinstance(found.get(FILES), list):
        return {str(name) for name in found[FILES]}
    return set(there).intersection(pushed) if "lineage" in found else set()


def is_bare(card: bytes) -> bool:
    """Whether a card is front matter alone."""
    before, opening, rest = card.decode("utf-8", "replace").partition("---")
    front, closing, text = rest.partition("\n---")
    return bool(opening and closing) and not before.strip() and not text.strip() and bool(front.strip())


def with_list(lineage: Path, names: Sequence[str]) -> bytes:
    """A `lineage.json` with the names of all files that are pushed; unchanged where it cannot be read."""
    content = lineage.read_bytes()
    found = _read(content)
    if not found:
        return content
    text = json.dumps({**found, FILES: list(names)}, indent=2, ensure_ascii=False)
    return (text + "\n").encode("utf-8", "replace")


def named(names: Sequence[str]) -> str:
    """Names for a message."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _read(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content.decode("utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
