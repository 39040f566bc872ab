"""Contact sheets of all cuts: of each film the first, middle and last frame of every clip, kept or not.

Sheets lie in the workspace, a folder for each film. A page is drawn again only when something on it changed,
and is not drawn while its film cannot be read: what was there stays until then;
frames are read by jumps, a page at a time, so that neither films nor sheets are in memory whole.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltx_core.stages.base import Item
from ltx_core.stages.clips import all_clips, rejected_cuts
from ltx_core.stages.context import Context
from ltx_core.stages.filtered import kept_clips, set_aside
from ltx_core.store.disk import write_atomic
from ltx_core.store.keys import digest
from ltx_core.store.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHEETS = "sheets"
PAGE = 40
"""Clips on a page."""
COLUMNS = 2
LONGEST = 144
"""Pixels of a picture's longer side."""
KEPT, ASIDE = (60, 160, 60), (200, 60, 60)
"""Colours around the pictures of a clip that is kept, and of one that is set aside."""
STATS = "stats.csv"
VERSION = 1
_UNSAFE = re.compile(r"[^\w .-]+")


@dataclass(frozen=True)
class Entry:
    """One cut of a film: its range in frames and seconds, whether it is kept, and in what, or why not."""

    index: int
    first: int
    last: int
    start_s: float
    end_s: float
    kept: bool
    words: str


@dataclass(frozen=True)
class FilmSheet:
    """A film's sheet: how many of its cuts are kept, the files of its pages, and why one is missing."""

    name: str
    cuts: int
    kept: int
    pages: tuple[Path, ...]
    problem: str = ""


def cut_sheets(
    context: Context, tell: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[FilmSheet]:
    """Draw the sheet of each film and picture in turn.

    Args:
        context: of a config whose clips are cut and scored.
        tell: is told (done, total) after each film.

    Raises:
        NotReadyError: when rows of an earlier stage are missing.
        StoreError: when the workspace cannot be written.
    """
    sources = context.by_clip("sources")
    scenes = context.by_clip("scenes")
    words = _words(context)
    found = [(item, row) for item, row in context.results("clips") if row.ok]
    for number, (item, row) in enumerate(found, 1):
        facts = sources[item.clip_id]
        entries = [_entry(item, cut, words) for cut in row.columns["cuts"]]
        pages: list[Path] = []
        problem = "sound: no pictures"
        if facts.columns["kind"] != "audio":
            pages, problem = _draw(context, item, facts, entries)
            _write_stats(context, scenes[item.clip_id], _folder(context, item) / STATS)
        kept = sum(entry.kept for entry in entries)
        yield FilmSheet(item.name, len(entries), kept, tuple(pages), problem)
        tell(number, len(found))


def _words(context: Context) -> dict[str, tuple[bool, str]]:
    """By a clip's name: whether it is kept, and its bucket or why it is not."""
    kept = {clip.clip_id for clip in kept_clips(context)}
    aside = dict(set_aside(context)) | dict(rejected_cuts(context))
    found = {name: (False, reason) for name, reason in aside.items()}
    for clip in all_clips(context):
        if clip.clip_id in kept:
            part = "" if clip.crop is None else f" of the inner {clip.width}x{clip.height}"
            found[clip.name] = True, f"kept, {clip.bucket}{part}"
    return found


def _entry(item: Item, cut: dict[str, Any], words: dict[str, tuple[bool, str]]) -> Entry:
    kept, text = words.get(f"{item.name} #{cut['index']}", (False, "set aside"))
    span = cut["start_frame"], cut["end_frame"], cut["start_s"], cut["end_s"]
    return Entry(cut["index"], *span, kept, text)


def _folder(context: Context, item: Item) -> Path:
    safe = _UNSAFE.sub("_", item.name).strip(" .")[-80:]
    return context.config.workspace / SHEETS / f"{safe}-{item.clip_id[:8]}"


def _draw(context: Context, item: Item, facts: Row, entries: Sequence[Entry]) -> tuple[list[Path], str]:
    """The pages of one film that are there or can be drawn; and why others cannot."""
    from ltx_core.media.errors import MediaError

    folder, problem = _folder(context, item), ""
    treatment = asdict(context.config.dataset.treatment)
    pages: list[Path] = []
    for number, start in enumerate(range(0, len(entries), PAGE), 1):
        shown = entries[start : start + PAGE]
        stamp = digest([VERSION, item.name, treatment, [vars(entry) for entry in shown]])[:12]
        path = folder / f"page-{number:04d}-{stamp}.png"
        try:
            if not path.exists():
                write_atomic(path, _page(context, item, facts, shown))
        except MediaError as error:
            problem = problem or error.reason
            continue
        pages.append(path)
    if not problem:
        for left in set(folder.glob("page-*.png")) - set(pages):
            left.unlink()
    return pages, problem


def _page(context: Context, item: Item, facts: Row, entries: Sequence[Entry]) -> bytes:
    from ltx_core.media.sheet import Strip, bordered, contact_sheet

    wanted = [sorted({e.first, (e.first + e.last - 1) // 2, e.last - 1}) for e in entries]
    pictures = _pictures(context, item, facts, sorted({n for numbers in wanted for n in numbers}))
    strips = []
    for entry, numbers in zip(entries, wanted, strict=True):
        colour = KEPT if entry.kept else ASIDE
        frames = [bordered(pictures[number], colour) for number in numbers]
        label = f"{item.name} #{entry.index} · {entry.start_s:.2f} to {entry.end_s:.2f} s · {entry.words}"
        strips.append(Strip(frames, label))
    return contact_sheet(strips, LONGEST, COLUMNS)


def _pictures(context: Context, item: Item, facts: Row, numbers: list[int]) -> dict[int, NDArray[np.uint8]]:
    """Small frames by their number.

    Raises:
        MediaError: when the film cannot be read.
    """
    from ltx_core.media.decode import read_frames

    width, height = facts.columns["width"], facts.columns["height"]
    scale = LONGEST / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    frames = read_frames(item.payload.path, numbers, size, context.config.dataset.treatment)
    return dict(zip(numbers, frames, strict=True))


def _write_stats(context: Context, row: Row, path: Path) -> None:
    """What the detectors measured of each frame, as CSV, where `scenes.stats` had it kept."""
    names = [tensor.name for tensor in row.tensors if tensor.name.startswith("stats.")]
    if not names:
        path.unlink(missing_ok=True)
        return
    series = {name: context.store.tensor(row, name).tolist() for name in names}
    times = context.store.tensor(row, "times").tolist()
    frames = series.pop("stats.frame")
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["frame", "time_s", *(name.removeprefix("stats.") for name in series)])
    for place, frame in enumerate(frames):
        values = [f"{values[place]:.5g}" for values in series.values()]
        table.writerow([frame, f"{times[frame]:.6f}", *values])
    write_atomic(path, out.getvalue().encode())
