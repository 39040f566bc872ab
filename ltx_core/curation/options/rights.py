"""Who owns a source and what may be done with it: as its user states it, carried along to the model card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

UNKNOWN = "unknown"
"""What stands for a licence that nobody has stated."""
SPELT = {"licence": "license", "licence_url": "license_url"}
"""Other spellings of a dataset file's columns."""
NON_COMMERCIAL = re.compile(r"(?i)\bNC\b|non[- ]?commercial|research[- ]only|academic[- ](?:use[- ])?only")
NO_DERIVATIVES = re.compile(r"(?i)\bND\b|no[- ]?deriv")
NOT_FREE = re.compile(r"(?i)all[- ]rights[- ]reserved|proprietary")


@dataclass(frozen=True)
class Rights:
    """What is stated of a source's licence; "" where nothing is.

    Attributes:
        license: its name, best an SPDX identifier, such as CC-BY-4.0.
        license_url: where its text is.
        author: who made it.
        attribution: the words in which its maker is to be named.
        consent: how those who are seen or heard in it have agreed.
    """

    license: str = ""
    license_url: str = ""
    author: str = ""
    attribution: str = ""
    consent: str = ""

    def __bool__(self) -> bool:
        """Whether anything is stated."""
        return any(asdict(self).values())

    def over(self, other: Rights) -> Rights:
        """These, with what they do not state taken from `other`: a file's own win over its source's.

        A licence's address is not taken without its name.
        """
        mine, theirs = asdict(self), asdict(other)
        if self.license:
            theirs["license_url"] = ""
        return Rights(**{name: mine[name] or theirs[name] for name in mine})

    def stated(self) -> dict[str, str]:
        """The fields that are stated."""
        return {name: value for name, value in asdict(self).items() if value}


COLUMNS = tuple(field.name for field in fields(Rights))
"""Columns of a dataset file that state them, and fields of a source."""


def rights_of(values: Mapping[str, Any]) -> Rights:
    """What a row of a dataset file states; cells that are no text are taken as they would be written."""
    found = {name: values.get(name) for name in COLUMNS}
    return Rights(**{name: _text(value) for name, value in found.items() if value not in (None, "")})


def limits(license_name: str) -> tuple[str, ...]:
    """What a licence's name says against handing on what was made with it; () where it says nothing."""
    found = []
    if NON_COMMERCIAL.search(license_name):
        found.append("non-commercial")
    if NO_DERIVATIVES.search(license_name):
        found.append("no derivatives")
    if NOT_FREE.search(license_name):
        found.append("all rights reserved")
    return tuple(found)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").replace("\0", "").split())
