"""What an address of an object store stands for: a prefix, a pattern, a dataset file or one film."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ltx_core.curation.places import (
    TABLE_SUFFIXES,
    is_media_folder,
    is_media_name,
    matcher,
    split_pattern,
)
from ltx_core.curation.remote_places import looked_at
from ltx_core.curation.table import read_table
from ltx_core.errors import ConfigError
from ltx_core.stages.scanning.files import Found, shown
from ltx_core.stages.scanning.remote import Objects, below
from ltx_core.store.object_store import RemoteObject
from ltx_core.store.uri import ObjectUri

Listed = list[tuple[str, RemoteObject]]
"""Objects with their names relative to a prefix."""


def in_store(uri: ObjectUri, needed: tuple[str, ...], objects: Objects) -> list[Found]:
    """The media files that an address names; their captions are fetched beside them.

    Raises:
        ConfigError: when nothing has this name, or access is denied.
        LtxError: when the store cannot be reached, or a dataset file cannot be read.
    """
    seen = looked_at(uri, objects.store)
    if isinstance(seen, RemoteObject):
        return _rows(seen, needed, objects) if _is_table(uri) else [_media(uri.name, seen)]
    if seen == "prefix":
        return _below(uri, None, objects)
    root, pattern = split_pattern(uri.key)
    return _below(ObjectUri(uri.bucket, root), matcher(pattern), objects)


def _rows(table: RemoteObject, needed: tuple[str, ...], objects: Objects) -> list[Found]:
    copy = objects.fetched([table])[table.uri]
    if copy.problem:
        raise ConfigError(f"dataset.source {table.uri}: {copy.problem}")
    rows = read_table(copy.path, needed, table.uri.parent)
    return [Found(row.files[row.main], shown(row.files[row.main].name), row) for row in rows]


def _below(root: ObjectUri, pattern: re.Pattern[str] | None, objects: Objects) -> list[Found]:
    listed = below(root, objects.store.listing(root))
    media = [(name, one) for name, one in listed if _is_media(name)]
    if pattern is not None:
        media = [(name, one) for name, one in media if pattern.fullmatch(name)]
    texts = [one for name, one in listed if name.endswith(".txt")]
    beside = list(_captions(media, texts))
    objects.fetched(beside)
    objects.forget_texts([one.uri for _, one in media], [one.uri for one in texts])
    return [_media(name, one) for name, one in media]


def _captions(media: Listed, texts: Iterable[RemoteObject]) -> Iterable[RemoteObject]:
    """Of some text objects those that stand beside a film: `film.txt`, `film.3.txt`."""
    stems = {one.uri.path.rpartition(".")[0] or one.uri.path for _, one in media}
    for text in texts:
        stem = text.uri.path.removesuffix(".txt")
        if stem in stems or re.sub(r"\.\d+$", "", stem) in stems:
            yield text


def _is_media(name: str) -> bool:
    *folders, last = name.split("/")
    return is_media_name(last) and all(is_media_folder(folder) for folder in folders)


def _is_table(uri: ObjectUri) -> bool:
    return "." + uri.name.rpartition(".")[2].lower() in TABLE_SUFFIXES


def _media(name: str, one: RemoteObject) -> Found:
    return Found(one.uri, shown(name), stamp=(one.size, one.mtime))
