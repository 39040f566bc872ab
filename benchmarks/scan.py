"""The scan of sources: a folder of many known files, of which none is read again."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

from benchmarks.measure import Result, in_turns, per_second
from ltx_core.curation.options.sources import SourceOptions
from ltx_core.stages.scan import Scan, scan

FOLDER_FILES = 500
"""Files of one folder."""
AIM = 5.0
"""Seconds of CPU time."""


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

    spent: list[float] = []

    def scanned() -> None:
        began = time.process_time()
        scan(sources, how)
        spent.append(time.process_time() - began)

    pair = in_turns(scanned, lambda: _looked_at(films), rounds)
    cpu = min(spent)  # other work on the machine only adds
    return Result(
        f"scan of {count:,} known files",
        "os.scandir and stat of each",
        pair.ratio,
        f"{pair.ours:.2f} s ({cpu:.2f} s of CPU)",
        per_second(count, pair.bare, "files"),
        f"< {AIM:.0f} s of CPU",
        cpu < AIM,
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
