"""What is wrong with a config, one line per key: what was found, the rule, and the nearest valid choice.

pydantic says what it found and the rule. The nearest choice is read from the schema: the literal of nearest
spelling, the bound of a range, a value of the wanted type.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ltx_core.config.root import Config
from ltx_core.config.schema import Field, field_at, keys_of, places_of

Item = Mapping[str, Any]
SHOWN_LENGTH = 80
WORDS = {
    r"^Input should be": "must be",
    r"^(Tuple|List) should have": "must have",
    r" after validation": "",
    r"^String should match pattern": "must match",
    r"^Input is not a valid path.*": "must be a path",
    r"a valid (tuple|list)": "a list",
    r"a valid boolean, .*": "true or false",
    r"a valid integer, got a number with a fractional part": "a whole number",
    r"a valid integer(, .*)?": "a whole number",
    r"a valid number(, .*)?": "a number",
    r"a valid string": "text",
    r"a (valid )?dictionary or .*": "a mapping",
    r"a valid dictionary": "a mapping",
}
"""pydantic's words -> plain ones."""


def explain(item: Item) -> str:
    """One line on one of pydantic's errors."""
    location = [part for part in item["loc"] if isinstance(part, str | int)]
    key = ".".join(str(part) for part in location) or "config"
    if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{key}: unknown key; {_known(location)}"
    field = field_at(Config, location)
    rule, near = _rule(item), _NEAREST.get(item["type"], _nothing)(item, field)
    return f"{key}: {rule}{_found(item)}{f'; {near}' if near else ''}"


def closest(found: object, known: Sequence[str]) -> str:
    """The one of `known` that is spelled most like `found`."""
    return difflib.get_close_matches(str(found).lower(), list(known), 1, 0.0)[0]


def _rule(item: Item) -> str:
    context = item.get("ctx", {})
    if item["type"] == "missing":
        return "is missing"
    if item["type"] == "union_tag_invalid":
        return f"unknown type {context['tag']!r}; known: {', '.join(_quoted(context['expected_tags']))}"
    if item["type"] == "union_tag_not_found":
        return "has no `type`"
    text = str(item["msg"]).removeprefix("Value error, ")
    return text if text != item["msg"] else _plain(text)


def _plain(text: str) -> str:
    """pydantic's words as a person who writes YAML would say them."""
    for theirs, ours in WORDS.items():
        text = re.sub(theirs, ours, text)
    return text


def _found(item: Item) -> str:
    value = item.get("input")
    if item["type"] in ("missing", "union_tag_invalid") or isinstance(value, dict):
        return ""
    text = repr(value)
    return f" (found {text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 1] + '…'})"


def _known(location: Sequence[str | int]) -> str:
    """The key that was meant: one of that section, or the same one of another section, or a list."""
    name, known = str(location[-1]), keys_of(Config, location[:-1])
    if close := difflib.get_close_matches(name, known, 1):
        return f"did you mean {close[0]!r}?"
    if longer := sorted((one for one in known if name.lower() in one), key=len):
        return f"did you mean {longer[0]!r}?"
    if places := places_of(Config, name):
        return f"did you mean {' or '.join(repr(place) for place in places[:3])}?"
    return f"known keys: {', '.join(sorted(known))}"


def _literal(item: Item, field: Field) -> str:
    return f"nearest: {closest(item['input'], _quoted(item['ctx']['expected']))!r}"


def _tag(item: Item, field: Field) -> str:
    return f"nearest: {closest(item['ctx']['tag'], _quoted(item['ctx']['expected_tags']))!r}"


def _no_tag(item: Item, field: Field) -> str:
    return f"write `type: NAME` with one of {', '.join(_tags(field))}"


def _tags(field: Field) -> list[str]:
    """Values of `type` that a field takes."""
    found = [getattr(member, "model_fields", {}).get("type") for member in field.members]
    return [str(one.default) for one in found if one is not None]


def _above(item: Item, field: Field) -> str:
    bound = item["ctx"]["gt"]
    if int in field.members:
        return f"nearest: {bound + 1:g}"
    return (
        f"use a number above {bound:g}{field.example(lambda value: value > bound) or f', as {bound + 1:g}'}"
    )


def _below(item: Item, field: Field) -> str:
    bound = item["ctx"]["lt"]
    if int in field.members:
        return f"nearest: {bound - 1:g}"
    return f"use a number below {bound:g}{field.example(lambda value: value < bound)}"


def _at_least(item: Item, field: Field) -> str:
    return f"nearest: {item['ctx']['ge']:g}"


def _at_most(item: Item, field: Field) -> str:
    return f"nearest: {item['ctx']['le']:g}"


def _whole(item: Item, field: Field) -> str:
    number = _number(item["input"])
    near = f", as {round(number)}" if number is not None else ""
    return f"write a whole number{near}" if near else field.write("a whole number")


def _real(item: Item, field: Field) -> str:
    return field.write("a number")


def _truth(item: Item, field: Field) -> str:
    return "write true or false"


def _text(item: Item, field: Field) -> str:
    value = item.get("input")
    return f'write text, as "{value}"' if isinstance(value, int | float) else field.write("text")


def _path(item: Item, field: Field) -> str:
    return field.write("a path")


def _list(item: Item, field: Field) -> str:
    value = item.get("input")
    numbers = re.findall(r"\d+", value) if isinstance(value, str) else []
    if field.length and len(numbers) == field.length:
        return f"write a list, as [{', '.join(numbers)}]"
    if isinstance(value, int | float | str):
        return f"write a list, as [{value}]"
    if isinstance(value, dict):
        return "write a list: `- ` before each of its values"
    return field.write("a list")


def _section(item: Item, field: Field) -> str:
    value = item.get("input")
    if value in _tags(field):
        return f"write {{type: {value}}} and its other keys"
    keys = field.keys
    return f"write a mapping of its keys: {', '.join(keys)}" if keys else field.write("a mapping")


def _length(item: Item, field: Field) -> str:
    return field.write(f"{field.length} values" if field.length else "at least one")


def _missing(item: Item, field: Field) -> str:
    """A missing value of a list of fixed length, or a missing key."""
    *parents, last = item["loc"]
    if isinstance(last, int):
        return _length(item, field_at(Config, parents))
    return f"write `{last}: {field.sample}`"


def _name(item: Item, field: Field) -> str:
    near = re.sub(r"[^A-Za-z0-9._-]+", "-", str(item["input"])).strip(".-_") or "run"
    return f"letters, digits and . _ - only; nearest: {near!r}"


def _nothing(item: Item, field: Field) -> str:
    return ""


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _number(value: object) -> float | None:
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if abs(found) < 1e15 else None


_NEAREST: Mapping[str, Callable[[Item, Field], str]] = {
    "literal_error": _literal,
    "union_tag_invalid": _tag,
    "union_tag_not_found": _no_tag,
    "greater_than": _above,
    "less_than": _below,
    "greater_than_equal": _at_least,
    "less_than_equal": _at_most,
    "int_type": _whole,
    "int_parsing": _whole,
    "int_from_float": _whole,
    "float_type": _real,
    "float_parsing": _real,
    "finite_number": _real,
    "bool_type": _truth,
    "bool_parsing": _truth,
    "string_type": _text,
    "string_pattern_mismatch": _name,
    "path_type": _path,
    "tuple_type": _list,
    "list_type": _list,
    "dict_type": _section,
    "model_type": _section,
    "model_attributes_type": _section,
    "dataclass_type": _section,
    "too_short": _length,
    "too_long": _length,
    "missing": _missing,
}
"""pydantic's kind of error -> what to write instead."""
