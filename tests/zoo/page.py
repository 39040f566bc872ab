"""The table of docs/models.md: every model in every layout, and what came of trying it.

`make docs-models` tries them all (minutes) and writes the table between the page's marks.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch

from zoo.folders import VERSIONS
from zoo.layouts import FOLDER, HUB, LAYOUTS, as_layout
from zoo.trial import CELLS, NOT_REACHED, OK, Trial, tried

BEGIN = "<!-- table: begin, written by `make docs-models` -->"
END = "<!-- table: end -->"
NAMES = {"ltx2": "LTX-2", "ltxv": "LTX-Video"}
LONGEST = 250
"""Letters of a refusal that a cell shows."""


class Row(NamedTuple):
    """A line of the table."""

    family: str
    version: str
    layout: str

    @property
    def folder(self) -> str:
        """A name for files."""
        return re.sub(r"\W+", "-", f"{self.family} {self.version} {self.layout}")


ROWS = [
    Row(family, version, layout)
    for family, versions in VERSIONS.items()
    for version in versions
    for layout in LAYOUTS
]


def result(row: Row, work: Path) -> dict[str, str]:
    """What came of each cell, as the table says it; `work` is an empty folder.

    Where all went well, every number is that of the model's diffusers folder, but for rounding: LTX-2.0's
    folder states another order of a sum than its file.
    """
    place = as_layout(*row, work / "hub" if row.layout == HUB else work)
    trial = Trial(place, row.version, work / "trial")
    with cached(work / "hub"):
        found = tried(trial)
    if row.layout != FOLDER and set(found.values()) == {OK}:
        wanted = in_folder(row.family, row.version)
        assert trial.numbers.keys() == wanted.keys()
        for name, value in wanted.items():
            torch.testing.assert_close(trial.numbers[name], value, atol=1e-6, rtol=1e-6)
    return {cell: said if said in (OK, NOT_REACHED) else refusal(said, work) for cell, said in found.items()}


@lru_cache(maxsize=1)
def in_folder(family: str, version: str) -> dict[str, torch.Tensor]:
    """The numbers of a model in its diffusers folder."""
    with tempfile.TemporaryDirectory() as work:
        trial = Trial(as_layout(family, version, FOLDER, Path(work)), version, Path(work) / "trial")
        assert set(tried(trial).values()) == {OK}
        return trial.numbers


@contextmanager
def cached(cache: Path) -> Iterator[None]:
    """Inside the block the hub's cache is this folder, and there is no network."""
    from huggingface_hub import constants

    before = (constants.HF_HUB_CACHE, constants.HF_HUB_OFFLINE)
    constants.HF_HUB_CACHE, constants.HF_HUB_OFFLINE = str(cache), True
    try:
        yield
    finally:
        constants.HF_HUB_CACHE, constants.HF_HUB_OFFLINE = before


def refusal(said: str, work: Path) -> str:
    """A refusal's words without the folders of this run, cut at `LONGEST`."""
    text = said.replace(f"{work}/", "").replace("|", "/").split("\n")[0]
    if len(text) > LONGEST:
        text = text[:LONGEST].rsplit(" ", 1)[0] + " …"
    return f"refused: {text}"


def line(row: Row, cells: Mapping[str, str]) -> str:
    """A line of the table."""
    return _joined((NAMES[row.family], row.version, row.layout, *(cells[name] for name in CELLS)))


def table(lines: Sequence[str]) -> str:
    """The whole table of these lines."""
    head = ("family", "version", "layout", *CELLS)
    return "\n".join((_joined(head), _joined(["---"] * len(head)), *lines))


def lines_of(page: str) -> list[str]:
    """The lines of the table in a page."""
    inner = page.partition(BEGIN)[2].partition(END)[0]
    return [one for one in inner.splitlines() if one.startswith("|")][2:]


def renewed(page: str, lines: Sequence[str]) -> str:
    """A page with another table between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, f"docs/models.md has no marks {BEGIN} and {END}"
    return f"{before}{BEGIN}\n\n{table(lines)}\n\n{END}{after}"


def _joined(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main(root: Path) -> None:
    """Try every model and write the page anew."""
    lines = []
    for row in ROWS:
        with tempfile.TemporaryDirectory() as work:
            lines.append(line(row, result(row, Path(work))))
        sys.stderr.write(f"{lines[-1]}\n")
    path = root / "docs" / "models.md"
    path.write_text(renewed(path.read_text(encoding="utf-8"), lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
