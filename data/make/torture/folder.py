"""All files of the torture folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data.make.torture.case import Case
from data.make.torture.films import FILMS
from data.make.torture.others import OTHERS

CASES: tuple[Case, ...] = (*FILMS, *OTHERS)


def make_folder(folder: Path, cases: Sequence[Case] = CASES) -> None:
    """Write `cases` into `folder`, which is made."""
    for case in cases:
        path = folder / case.name
        path.parent.mkdir(parents=True, exist_ok=True)
        case.make(path)
