"""Names of the pages and addresses of files inside a page's folder: relative, percent-encoded.

A page is written for one folder; a page in a folder below it climbs up by `up`.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

PER_PAGE = 100
"""Cards on one page of clips."""
INDEX, ASIDE, TWINS = "index.html", "set-aside.html", "look-alikes.html"
MEDIA, OWN = "media", "clip"
"""Folders of previews and of the clips' own pages."""
SHORT = 16
"""Letters of a clip's id that name its page."""


def href(path: str, up: str = "") -> str:
    """The address of a file by its path, relative to the folder of the pages.

    Args:
        path: with `/` between its parts, any letters; undecodable bytes of names keep their value.
        up: "../" for a page in a folder below.
    """
    return up + quote(os.fsencode(path))


def between(start: Path, target: Path) -> str:
    """The address of `target` for a page in the folder `start`: relative where the disk allows it."""
    return quote(os.fsencode(os.path.relpath(target, start)))


def clips_page(number: int) -> str:
    """The file of the page of clips `number`, from 1."""
    return f"clips-{number:04d}.html"


def page_of(index: int) -> str:
    """The page that holds the clip at `index`, from 0."""
    return clips_page(index // PER_PAGE + 1)


def anchor(clip_id: str) -> str:
    """The anchor of a clip's card."""
    return f"c-{clip_id[:SHORT]}"


def own_page(clip_id: str) -> str:
    """The file of a clip's own page."""
    return f"{OWN}/{clip_id[:SHORT]}.html"


def decoded_page(clip_id: str) -> str:
    """The file of the page that compares a clip with what its latents decode to."""
    return f"{OWN}/{clip_id[:SHORT]}-decoded.html"
