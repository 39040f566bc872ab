"""Reads pages as a browser would: balanced tags, unique anchors, alternatives, links that lead somewhere."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from ltx_core.evaluation.markup import VOID_ELEMENTS


class Page(HTMLParser):
    """Tags, ids, addresses and texts of a page; an end tag that does not fit fails."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.labels: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.ids += [values["id"]] if values.get("id") else []
        self.links += [value for key, value in attrs if key in ("src", "href", "poster") and value]
        if tag == "img":
            assert values["alt"]
        if tag in ("video", "audio"):
            assert values["aria-label"]
        self.labels += [str(values["aria-label"])] if "aria-label" in values else []
        assert not any(key.startswith("on") for key in values), values
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID_ELEMENTS:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> does not fit"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data


def read_pages(folder: Path) -> dict[Path, Page]:
    """Every page of a folder."""
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}


def broken_links(pages: dict[Path, Page]) -> list[str]:
    """Links of pages that lead to no file or no anchor, or out of the folder."""
    found = []
    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), path
        for link in page.links:
            parts = urlsplit(link)
            if link == "data:,":
                continue
            if parts.scheme or parts.netloc:
                found.append(f"{path.name}: {link}")
                continue
            target = path.parent / Path(os.fsdecode(unquote_to_bytes(parts.path))) if parts.path else path
            target = Path(os.path.normpath(target))
            if not target.exists() or (parts.fragment and parts.fragment not in pages[target].ids):
                found.append(f"{path.name}: {link}")
    return found
