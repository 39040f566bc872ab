"""The licence of a base model, as its own files say: a card beside the weights, a header, a text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ltx_core.models.errors import ModelError
from ltx_core.models.safetensors_file import file_metadata

CARD = "README.md"
TEXTS = ("LICENSE*", "LICENCE*", "license*", "licence*")
FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*$", re.DOTALL | re.MULTILINE)
LONGEST = 200


def base_license(path: Path) -> str:
    """What a model's folder or file says of its licence, in a line; "" where it says nothing."""
    if path.is_file() and path.suffix == ".safetensors" and (found := _header(path)):
        return found
    folder = path if path.is_dir() else path.parent
    if found := _card(folder / CARD):
        return found
    texts = sorted(file.name for pattern in TEXTS for file in folder.glob(pattern) if file.is_file())
    return f"see its file {texts[0]}" if texts else ""


def _header(path: Path) -> str:
    try:
        strings = file_metadata(path)
    except ModelError:
        return ""
    found = strings.get("license") or strings.get("modelspec.license") or ""
    return _line(found)


def _card(path: Path) -> str:
    """The licence of a model card's front matter: a name that hubs know, or its own name and address."""
    try:
        front = FRONT.match(path.read_text(encoding="utf-8"))
        content: Any = yaml.safe_load(front[1]) if front else None
    except (OSError, ValueError, yaml.YAMLError):
        return ""
    if not isinstance(content, Mapping):
        return ""
    name = str(content.get("license") or "")
    if name in ("", "other"):
        name = str(content.get("license_name") or name)
    link = content.get("license_link")
    return _line(f"{name} ({link})" if name and link else name)


def _line(text: str) -> str:
    return " ".join(text.split())[:LONGEST]
