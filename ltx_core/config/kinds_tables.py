"""The tables of docs/references-and-masks.md, written from the lists of kinds: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

from ltx_core.curation.kinds import kinds_table
from ltx_core.curation.masking.kinds import AUDIO_MASKS, MASKS
from ltx_core.curation.referencing.kinds import AUDIO_REFERENCES, REFERENCES
from ltx_core.errors import LtxError

PAGE = Path("docs") / "references-and-masks.md"
TABLES = {
    "dataset.references": REFERENCES,
    "dataset.audio_references": AUDIO_REFERENCES,
    "dataset.masks": MASKS,
    "dataset.audio_masks": AUDIO_MASKS,
}
"""Section of the config -> its kinds."""


def marks(section: str) -> tuple[str, str]:
    """The lines between which a section's table stands."""
    return f"<!-- {section}: begin, written by `make docs` -->", f"<!-- {section}: end -->"


def renewed(text: str) -> str:
    """A text with what stands between its marks written anew.

    Raises:
        LtxError: when a mark is missing.
    """
    for section, kinds in TABLES.items():
        begin, end = marks(section)
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise LtxError(f"{PAGE} has no marks {begin} and {end}; put them where the table shall stand")
        text = f"{before}{begin}\n\n{kinds_table(kinds)}\n\n{end}{after}"
    return text


def main(root: Path) -> None:
    """Write the page of the project in `root` anew."""
    path = root / PAGE
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
