"""The scan of sources: a folder of many known files, of which none is read again."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from benchmarks.measure import Result, in_turns, per_second
from ltx_core.curation.options.sources import SourceOptions
from ltx_core.stages.scan import Scan, scan

FOLDER_FILES = 500
"""Files of one folder."""
AIM = 5.0


def known_files(folder: Path, count: int, rounds: int) -> Result:
    """Scan `count` files that were scanned before, beside merely listing and looking at them."""
    films = folder / "many_films"
    for number in range(count):
        path = films / f"day {number // FOLDER_FILES}" / f"clip {number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(number.to_bytes(8, "big"))
    how = Scan(folder / "scanned" / "scan.sqlite")
    sources = [SourceOptions(str(films))]
    assert len(scan(sources, how)) == count

    pair = in_turns(lambda: scan(sources, how), lambda: _looked_at(films), rounds)
    return Result(
        f"scan of {count:,} known files",
        "os.scandir and stat of each",
        pair.ratio,
        f"{pair.ours:.2f} s",
        per_second(count, pair.bare, "files"),
        f"< {AIM:.0f} s",
        pair.ours < AIM,
    )


def _looked_at(folder: Path) -> int:
    """How many files there are, each looked at once."""
    left, found = deque([str(folder)]), 0
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                else:
                    found += entry.stat().st_size > 0
    return found
