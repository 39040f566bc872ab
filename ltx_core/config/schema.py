"""The schema looked at by place: the type, the default and the keys of any field of a config."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic_core import PydanticUndefined

SAMPLES = {int: "1", float: "1.0", str: "TEXT", bool: "true", Path: "FILE"}
"""What to write where a value of a type is missing."""


@dataclass(frozen=True)
class Field:
    """One place in a config.

    Attributes:
        members: the types that may stand there, without None.
        default: what stands there when nothing is written; None when that is nothing.
        instance: a value that may be written, where the schema names one.
    """

    members: tuple[Any, ...] = ()
    default: Any = None
    instance: Any = None

    @property
    def keys(self) -> list[str]:
        """Keys of a section; none of a plain value."""
        return list(dict.fromkeys(name for member in self.members for name in _fields(member)))

    @property
    def length(self) -> int:
        """Number of values of a list of fixed length, else 0."""
        found = [get_args(member) for member in self.members if get_origin(member) is tuple]
        return len(found[0]) if found and Ellipsis not in found[0] else 0

    @property
    def sample(self) -> str:
        """A value of the wanted type."""
        if self.instance is not None:
            return _shown(self.instance)
        if self.length:
            return "[" + ", ".join("1" * self.length) + "]"
        return next((SAMPLES[member] for member in self.members if member in SAMPLES), "VALUE")

    def example(self, fits: Callable[[Any], bool] = lambda _: True) -> str:
        """The default, said as an example; nothing where there is none that fits."""
        if self.default in (None, "", ()) or dataclasses.is_dataclass(self.default):
            return ""
        try:
            return f", as {_shown(self.default)}" if fits(self.default) else ""
        except TypeError:
            return ""

    def write(self, what: str) -> str:
        """Advice to write `what`."""
        return f"write {what}{self.example() or f', as {self.sample}'}"


def field_at(root: type, location: Sequence[str | int]) -> Field:
    """The field at a place, names and numbers as pydantic gives them; an empty one where there is none."""
    field = Field((root,))
    for part in location:
        field = _numbered(field, part) if isinstance(part, int) else _named(field, part)
    return field


def keys_of(root: type, location: Sequence[str | int]) -> list[str]:
    """The keys that a section may have."""
    return field_at(root, location).keys


def places_of(root: type, name: str) -> list[str]:
    """Dotted keys of all sections that have a key of this name."""
    return [f"{place}.{name}" if place else name for place, keys in _sections(root, "") if name in keys]


def _sections(section: type, place: str) -> Iterator[tuple[str, list[str]]]:
    yield place, list(_fields(section))
    for name, field in _fields(section).items():
        for member in field.members:
            if _fields(member):
                yield from _sections(member, f"{place}.{name}" if place else name)


def _named(field: Field, name: str) -> Field:
    for member in field.members:
        fields = _fields(member)
        if name in fields:
            return fields[name]
        # In a list of kinds, the place names the kind.
        if "type" in fields and fields["type"].default == name:
            return Field((member,))
        if get_origin(member) is dict:
            return Field(_members(get_args(member)[1]))
    return Field()


def _numbered(field: Field, number: int) -> Field:
    for member in field.members:
        if get_origin(member) in (tuple, list):
            kinds = [kind for kind in get_args(member) if kind is not Ellipsis]
            default = field.default if isinstance(field.default, tuple) else ()
            own = default[number] if number < len(default) else None
            return Field(_members(kinds[min(number, len(kinds) - 1)]), own)
    return Field()


def _fields(kind: Any) -> dict[str, Field]:
    """The keys of a section's type: a model of pydantic's, or a dataclass."""
    if hasattr(kind, "model_fields"):
        return {
            name: Field(_members(found.annotation), _default(found.default), (found.examples or (None,))[0])
            for name, found in kind.model_fields.items()
        }
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind, include_extras=True)
        return {
            found.name: Field(_members(hints[found.name]), _default(found.default))
            for found in dataclasses.fields(kind)
        }
    return {}


def _members(annotation: Any) -> tuple[Any, ...]:
    """The plain types that an annotation allows, without None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return tuple(member for one in get_args(annotation) for member in _members(one))
    if origin is Literal:
        return tuple({type(value) for value in get_args(annotation)})
    return () if annotation is NoneType else (annotation,)


def _default(value: Any) -> Any:
    return None if value in (PydanticUndefined, dataclasses.MISSING) else value


def _shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "[" + ", ".join(str(one) for one in value) + "]"
    return str(value)
