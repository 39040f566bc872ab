"""file: the video that the dataset file gives."""

from __future__ import annotations

from dataclasses import dataclass

from ltx_core.curation.kinds import FILE, Kind

REFERENCE_FILES = "reference_video"
"""The dataset file's column of a reference; those of further ones begin with it."""


@dataclass(frozen=True)
class FileOptions:
    """The dataset file's column."""

    column: str = REFERENCE_FILES


def _check(options: FileOptions) -> None:
    if not options.column.startswith(REFERENCE_FILES):
        raise ValueError(
            f"column is {options.column!r}; a dataset file's columns of references begin with "
            f"{REFERENCE_FILES}, as {REFERENCE_FILES}_2"
        )


GIVEN = Kind(FILE, "the video of a dataset file's column", FileOptions, check=_check, of_clip=False)
