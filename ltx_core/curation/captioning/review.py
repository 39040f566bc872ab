"""The file in which people review captions: a CSV that spreadsheets open, and what they make of it.

Design choices
- UTF-8 with a mark at its beginning, commas and CRLF: what spreadsheets read without asking. Taken back are
  commas, semicolons and tabs, UTF-8, UTF-16 and Windows-1252: what they write.
- A cell that a spreadsheet would take for a formula (`=`, `+`, `-`, `@`) gets an apostrophe in front, which
  is taken off when the file comes back; a text that has one there already gets another.
- A clip's id begins with letters: a spreadsheet would make a number of digits alone.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from ltx_core.curation.captioning.sidecar import decode_text
from ltx_core.errors import LtxError

ID_PREFIX = "clip_"
RESET = "[reset]"
"""What is written into `new_caption` to take an earlier edit back."""
SHOWN = 20
"""Problems that are listed at most."""
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED_FORMULA = re.compile(r"'+[=+\-@\t\r]")


@dataclass(frozen=True)
class ReviewRow:
    """One clip.

    Attributes:
        clip: what a person calls it: `film.mp4 #3`.
        source: path of its file.
        start_s, end_s: where it lies in it, in seconds.
        preview: path of a picture of it, or "".
        caption: as it is now.
        caption_source: where that comes from.
        new_caption: what it shall be; "" changes nothing, `[reset]` takes an earlier edit back.
        status: ok, missing, or why there is none.
        clip_id: names it; not to be changed.
    """

    clip: str
    source: str
    start_s: str
    end_s: str
    preview: str
    caption: str
    caption_source: str
    new_caption: str
    status: str
    clip_id: str


COLUMNS = tuple(column.name for column in fields(ReviewRow))
NEEDED = ("clip_id", "new_caption")


def review_bytes(rows: Iterable[ReviewRow]) -> bytes:
    """The file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([[guarded(cell) for cell in astuple(row)] for row in rows])
    return out.getvalue().encode("utf-8-sig", "surrogatepass")


def guarded(cell: str) -> str:
    """A cell that no spreadsheet computes."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """What was written into a cell."""
    return cell[1:] if _QUOTED_FORMULA.match(cell) else cell


def read_review(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The lines of an edited file: number in the file, and cells by column.

    Raises:
        LtxError: when it is none, with every line that is wrong.
    """
    try:
        text = decode_text(path.read_bytes(), path).removeprefix("\ufeff")
    except OSError as error:
        raise LtxError(
            f"{path} cannot be read: {error.strerror or error}; name the edited CSV file"
        ) from error
    if text.lower().startswith("sep="):  # a line for spreadsheets alone
        text = text.partition("\n")[2]
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    try:
        found = list(_numbered(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)))
    except csv.Error as error:
        raise LtxError(
            f"{path} is no CSV file: {error}; save it as CSV with its quotes as they were"
        ) from error
    names = [name.strip().lower() for name in found[0][1]] if found else []
    if missing := [name for name in NEEDED if name not in names]:
        raise LtxError(
            f"{path} has no column {' and no column '.join(missing)} in its first line; give a file "
            "that `ltx captions edit` wrote, with the first line as it was"
        )
    lines = [(number, row) for number, row in found[1:] if any(cell.strip() for cell in row)]
    refuse(
        path,
        [f"line {n}: {len(row)} cells instead of {len(names)}" for n, row in lines if len(row) != len(names)],
    )
    return [(n, {name: unguarded(cell) for name, cell in zip(names, row, strict=True)}) for n, row in lines]


def _numbered(reader: Iterable[list[str]]) -> Iterable[tuple[int, list[str]]]:
    """Rows with the line of the file on which each begins."""
    start = 1
    for row in reader:
        yield start, row
        start = getattr(reader, "line_num", start) + 1


def refuse(path: Path, problems: list[str]) -> None:
    """Raise LtxError where there are problems, with the first of them."""
    if problems:
        more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        listed = "\n  ".join(problems[:SHOWN])
        raise LtxError(f"{path}: nothing was changed, since some lines are wrong\n  {listed}{more}")
