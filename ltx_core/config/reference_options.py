"""`dataset.references` and `dataset.extra_references` as written, before they are read as options."""

from __future__ import annotations

import re
from typing import Any

from ltx_core.curation.options.references import REFERENCE_FILES
from ltx_core.curation.referencing.kinds import REFERENCES

KINDS = tuple(kind.name for kind in REFERENCES.listed)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def checked_kind(value: Any) -> Any:
    """`value` as it is, if its kind can be made here.

    Raises:
        ValueError: else, with what to do.
    """
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind is None or kind in REFERENCES.names:
        return value
    raise ValueError(
        f"kind {kind!r} cannot be made here; use one of {', '.join(KINDS)}. Others are made by a function of "
        "yours (kind function), or with other tools and given: name them in the column "
        f"{REFERENCE_FILES} of a dataset file, with kind file"
    )


def checked_extra(value: Any) -> Any:
    """`value` as it is, if each column is named plainly and states its kind.

    Raises:
        ValueError: else.
    """
    for column, options in value.items() if isinstance(value, dict) else ():
        if NAME.fullmatch(str(column)) is None:
            raise ValueError(f"the column {column!r}: use letters, digits and underscores, as depth_latents")
        checked_kind(options)
        if isinstance(options, dict) and options.get("kind") is None:
            raise ValueError(
                f"{column}: state its kind, one of {', '.join(KINDS)} (file with its own column, as "
                f"{REFERENCE_FILES}_2)"
            )
    return value
