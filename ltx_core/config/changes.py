"""Two configs field by field: what differs, and one with a single field of the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ltx_core.config.root import Config

_MISSING = object()


@dataclass(frozen=True)
class Difference:
    """A field that two configs have differently.

    Attributes:
        field: its dotted name, as an override has it.
        before: its value in the one, as JSON has it.
        after: in the other.
    """

    field: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.field}: {_shown(self.before)} -> {_shown(self.after)}"


def differences(before: Config, after: Config) -> list[Difference]:
    """Fields that differ, in the order of the schema; a list differs as a whole."""
    one, other = (dict(_leaves(config.model_dump(mode="json"))) for config in (before, after))
    names = list(dict.fromkeys((*one, *other)))
    return [
        Difference(name, one.get(name), other.get(name))
        for name in names
        if one.get(name, _MISSING) != other.get(name, _MISSING)
    ]


def with_field(config: Config, field: str, value: Any) -> Config | None:
    """`config` with one field changed; None where that is no valid config."""
    raw = config.model_dump(mode="json")
    *parents, last = field.split(".")
    node = raw
    for parent in parents:
        if not isinstance(node.get(parent), dict):
            return None
        node = node[parent]
    node[last] = value
    try:
        return Config.model_validate(raw)
    except ValueError:
        return None


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
