"""What a text in `dataset.source` stands for on this machine: a folder, a pattern, a file.

Design choices
- What exists under exactly this name is meant, also where the name has `*` or `[` in it.
- A file's name only says that it is no note and no litter; what kind of media it is, its content says.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ltx_core.errors import ConfigError

TABLE_SUFFIXES = frozenset((".csv", ".json", ".jsonl", ".parquet"))
BESIDE_SUFFIXES = TABLE_SUFFIXES | frozenset(
    (".txt", ".md", ".yaml", ".yml", ".log", ".srt", ".vtt", ".ass", ".ssa", ".lrc", ".xml", ".nfo", ".ini")
)
"""Files that stand beside media: captions, notes, tables, subtitles. Every other file is taken for media."""
LITTER = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
"""Files that systems leave in folders, in small letters; those that begin with a point are hidden anyway."""
LITTER_FOLDERS = frozenset(("$recycle.bin", "system volume information", "__macosx", "@eadir", "lost+found"))
MAGIC = re.compile(r"[*?\[{]")
"""Signs that make a pattern."""

Kind = Literal["folder", "pattern", "table", "media"]


@dataclass(frozen=True)
class Place:
    """Where to look.

    Attributes:
        kind: what it is.
        root: the folder or the file; of a pattern, its part before the first sign.
        pattern: what names relative to `root` must match; "": all.
    """

    kind: Kind
    root: Path
    pattern: str = ""


def place_of(text: str) -> Place:
    """What is there under an absolute path or pattern.

    Raises:
        ConfigError: when nothing is there, with the nearest name, or it is no source.
    """
    path = Path(text)
    try:
        if path.is_dir():
            return Place("folder", path)
        if path.is_file():
            return _file(path)
        if os.path.lexists(path):
            raise ConfigError(f"dataset.source {path} is no file and no folder; {_wanted()}")
        if MAGIC.search(text):
            root, pattern = split_pattern(text)
            if Path(root).is_dir():
                return Place("pattern", Path(root), pattern)
            path = Path(root)
    except OSError as error:
        raise ConfigError(
            f"dataset.source {path} cannot be read: {error.strerror}; make it readable or name another"
        ) from error
    raise ConfigError(f"dataset.source {path} does not exist; {_neighbour(path)}{_wanted()}")


def split_pattern(text: str) -> tuple[str, str]:
    """The folders before the first part with a sign, and the rest."""
    parts = text.split("/")
    first = next(number for number, part in enumerate(parts) if MAGIC.search(part))
    return "/".join(parts[:first]) or ("/" if text.startswith("/") else ""), "/".join(parts[first:])


def matcher(pattern: str) -> re.Pattern[str]:
    """A pattern as an expression for names: `*` and `?` within a part, `**` over parts, `[a-z]`, `{a,b}`.

    Raises:
        ConfigError: when the pattern is none.
    """
    try:
        return re.compile(_translated(pattern), re.DOTALL)
    except re.error as error:
        raise ConfigError(
            f"dataset.source: the pattern {pattern} cannot be read ({error}); use * ? ** [a-z] {{a,b}}"
        ) from error


def is_media_name(name: str) -> bool:
    """Whether a file is taken for media by its name."""
    _, dot, suffix = name.rpartition(".")
    hidden = name.startswith(".") or name.lower() in LITTER
    return not hidden and dot + suffix.lower() not in BESIDE_SUFFIXES


def is_media_folder(name: str) -> bool:
    """Whether a folder is looked into, by its name."""
    return not name.startswith(".") and name.lower() not in LITTER_FOLDERS


def nearest(name: str, names: list[str]) -> str:
    """The one of `names` that may have been meant, or ""."""
    close = difflib.get_close_matches(name, names, 1)
    return close[0] if close else ""


def _file(path: Path) -> Place:
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return Place("table", path)
    if not is_media_name(path.name):
        raise ConfigError(f"dataset.source {path} is a {suffix or 'hidden'} file, no media; {_wanted()}")
    return Place("media", path)


def _translated(pattern: str) -> str:
    found, depth = "", 0
    for token in re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]|.", pattern, re.DOTALL):
        if token in _SIGNS:
            found += _SIGNS[token]
        elif len(token) > 1:
            inner = token[1:-1].replace("\\", "\\\\").replace("[", "\\[")
            found += f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
        elif token == "{":
            found, depth = found + "(?:", depth + 1
        elif depth and token in ",}":
            found, depth = found + ("|" if token == "," else ")"), depth - (token == "}")
        else:
            found += re.escape(token)
    return found


_SIGNS = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _neighbour(path: Path) -> str:
    """What beside a missing file or folder may have been meant."""
    names = [found.name for found in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, names)
    return f"did you mean {path.parent / close}? Else " if close else ""


def _wanted() -> str:
    return (
        "give a folder of videos or a dataset file (CSV, JSON, JSONL, Parquet), a media file, a pattern as "
        "films/**/*.mp4, or s3://bucket/prefix"
    )
