"""What the steps of a migration share: the mapping that they rewrite, the notes, the problems."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Form = TypeVar("Form", bound="OlderForm")


class OlderForm(BaseModel):
    """Base of the sections of an older form: types and defaults are theirs, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Change:
    """One key that was rewritten."""

    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.old} -> {self.new}"


@dataclass
class Rewrite:
    """A config on its way from the older form to today's.

    Attributes:
        raw: the mapping, rewritten step by step.
        changes: what was rewritten, in order.
        problems: why it cannot be, one line each.
    """

    raw: dict[str, Any]
    changes: list[Change] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Rewrite:
        """A rewrite of a copy of `raw`."""
        return cls(copy.deepcopy(dict(raw)))

    def section(self, name: str) -> dict[str, Any]:
        """A section; an empty one of its own where it is missing or no mapping, which validation refuses."""
        found = self.raw.get(name)
        return found if isinstance(found, dict) else {}

    def take(self, section: str, keys: Iterable[str]) -> dict[str, Any]:
        """The stated ones of `keys`, removed from a section; a section that is then empty goes too."""
        found = self.section(section)
        taken = {key: found.pop(key) for key in keys if key in found}
        if taken and not found:
            del self.raw[section]
        return taken

    def put(self, section: str, values: Mapping[str, Any]) -> None:
        """State `values` in a section; what is no section is left for validation to refuse."""
        if self.raw.get(section) is None:
            self.raw[section] = {}
        if isinstance(self.raw[section], dict):
            self.raw[section].update(values)

    def note(self, old: str, new: str) -> None:
        """Remember a rewritten key."""
        self.changes.append(Change(old, new))

    def refuse(self, key: str, why: str) -> None:
        """Remember a problem with a key."""
        self.problems.append(f"{key}: {why}")

    def mixed(self, section: str, old: Iterable[str], new: Collection[str]) -> bool:
        """Whether old keys stand beside the new ones that they became: a problem that names both."""
        found = self.section(section)
        before = [f"{section}.{key}" for key in old if key in found]
        after = [f"{section}.{key}" for key in new if key in found]
        if not (before and after):
            return False
        self.refuse(
            ", ".join(before),
            f"an older form of {', '.join(f'{section}.{key}' for key in new)}, and "
            f"{', '.join(after)} {'is' if len(after) == 1 else 'are'} stated too; "
            f"keep one form: remove {', '.join(before)}, or remove {', '.join(after)}",
        )
        return True

    def parse(self, form: type[Form], values: Any, where: str) -> Form | None:
        """`values` as an older section; None after its problems were remembered."""
        try:
            return form.model_validate({} if values is None else values)
        except ValidationError as error:
            for item in error.errors():
                self._explain(form, where, item)
            return None

    def _explain(self, form: type[Form], where: str, item: ErrorDetails) -> None:
        key = ".".join([where, *(str(part) for part in item["loc"])])
        if item["type"] == "extra_forbidden":
            self.refuse(key, f"unknown key; {nearest(str(item['loc'][-1]), form.model_fields)}")
        else:
            self.refuse(key, f"{item['msg']} (found {item['input']!r})")


def nearest(name: str, known: Collection[str]) -> str:
    """A hint at the known name that was meant, or at all of them."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
