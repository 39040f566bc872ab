"""Writing a dataset's pages: a page that would be the same is left alone, one of a former dataset goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ltx_core.evaluation.browsing.card import scale_of
from ltx_core.evaluation.browsing.facts import Collection
from ltx_core.evaluation.browsing.index import index_page
from ltx_core.evaluation.browsing.links import ASIDE, INDEX, OWN, SHORT
from ltx_core.evaluation.browsing.listing import aside_page, clip_pages, own_pages, twins_page
from ltx_core.store.disk import write_atomic


def write_pages(folder: Path, data: Collection, own: frozenset[str]) -> list[Path]:
    """Write every page into `folder`; the index comes last, so that what it links to is there.

    Args:
        folder: of the pages; made where it is missing.
        data: the dataset.
        own: ids of the clips that get a page of their own.

    Returns:
        The files that were written; those with the same content are not.

    Raises:
        StoreError: when the disk is full, read-only or not permitted.
    """
    written, kept = [], set()
    for name, text in _pages(folder, data, own):
        kept.add(name)
        if write_changed(folder / name, text):
            written.append(folder / name)
    present = {path.relative_to(folder).as_posix() for path in folder.glob("clips-*.html")}
    present |= {path.relative_to(folder).as_posix() for path in folder.glob(f"{OWN}/*.html")}
    ids = {clip.clip_id[:SHORT] for clip in data.clips}
    for name in present - kept:
        if not name.startswith(f"{OWN}/") or Path(name).name.split(".")[0].split("-")[0] not in ids:
            (folder / name).unlink(missing_ok=True)
    return written


def _pages(folder: Path, data: Collection, own: frozenset[str]) -> Iterator[tuple[str, str]]:
    scale = scale_of(data.clips, data.limits)
    compared = {path.name.removesuffix("-decoded.html") for path in folder.glob(f"{OWN}/*-decoded.html")}
    decoded = frozenset(clip.clip_id for clip in data.clips if clip.clip_id[:SHORT] in compared)
    yield from clip_pages(data, scale, own)
    yield from own_pages(data, scale, own, decoded)
    yield ASIDE, aside_page(data)
    yield twins_page(data)
    yield INDEX, index_page(data, own)


def write_changed(path: Path, content: str | bytes) -> bool:
    """Write a page or a picture unless the file holds it already; whether it was written.

    Raises:
        StoreError: when the disk is full, read-only or not permitted.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data:
        return False
    write_atomic(path, data)
    return True
