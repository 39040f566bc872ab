"""What lies in the sources of `dataset.source`, with content digests remembered by (path, size, mtime).

A second scan of unchanged files reads none of them, and fetches none that lies in an object store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ltx_core.curation.options.sources import ObjectStoreOptions, SourceOptions, SourceSet, source_sets
from ltx_core.curation.places import matcher, place_of
from ltx_core.curation.table import TableRow, read_table
from ltx_core.errors import ConfigError
from ltx_core.stages.scanning.digests import digests_of
from ltx_core.stages.scanning.files import Found, SideFile, SourceFile, shown, unreadable
from ltx_core.stages.scanning.in_store import in_store
from ltx_core.stages.scanning.progress import Report
from ltx_core.stages.scanning.remote import Objects
from ltx_core.stages.scanning.walk import walk
from ltx_core.store.object_store import ObjectStore, RemoteObject
from ltx_core.store.uri import ObjectUri, is_uri

__all__ = ["Scan", "SideFile", "SourceFile", "SourceSet", "digested", "scan"]


@dataclass(frozen=True)
class Scan:
    """How sources are looked through.

    Attributes:
        cache: file that remembers digests.
        needed: columns that a dataset file must have.
        exclude: folders inside sources that are none of them: what runs write is no footage.
        objects: how object stores are reached.
        report: is told how far the reading or fetching of new files is.
    """

    cache: Path
    needed: tuple[str, ...] = ("video",)
    exclude: Collection[Path] = ()
    objects: ObjectStoreOptions = field(default_factory=ObjectStoreOptions)
    report: Report = field(default=lambda done, total: None)


def scan(sources: Sequence[SourceOptions], how: Scan) -> list[SourceFile]:
    """All media files of `sources`, one source after the other, each ordered by name.

    Where there are several, names begin with that of the source.

    Raises:
        ConfigError: when a source does not exist or holds no file.
        LtxError: when an object store cannot be reached, or the workspace not be written.
    """
    store = ObjectStore(how.objects.endpoint, how.objects.region, how.objects.anonymous)
    objects = Objects(store, how.cache.parent / "objects", how.cache, how.report)
    listed: list[tuple[Found, SourceSet]] = []
    for one, origin in zip(sources, source_sets(tuple(sources)), strict=True):
        found = _found(one.path, how, objects)
        if not found:
            raise ConfigError(
                f"dataset.source {shown(one.path)} holds no media file; put videos there or name another "
                "folder"
            )
        listed += [(file, origin) for file in found]
    files = _with_bytes([file for file, _ in listed], how, objects)
    several = len(sources) > 1
    return [
        _source_file(one, origin, files, f"{shown(origin.name)}/{one.name}" if several else one.name)
        for one, origin in listed
    ]


def digested(pairs: Iterable[tuple[Path, str, TableRow | None]], cache: Path) -> list[SourceFile]:
    """Files (path, name, line of the dataset file) with their digests, which `cache` remembers."""
    found = [Found(path, shown(name), row) for path, name, row in pairs]
    files = digests_of({file.place: None for file in found if isinstance(file.place, Path)}, cache)
    by_place: dict[Path | ObjectUri, SideFile] = {path: file for path, file in files.items()}
    return [_source_file(file, SourceSet(), by_place, file.name) for file in found]


def _found(text: str, how: Scan, objects: Objects) -> list[Found]:
    if is_uri(text):
        return in_store(ObjectUri.parse(text), how.needed, objects)
    place = place_of(text)
    if place.kind == "table":
        rows = read_table(place.root, how.needed)
        return [Found(row.files[row.main], shown(row.files[row.main].name), row) for row in rows]
    if place.kind == "media":
        return [Found(place.root, shown(place.root.name))]
    return walk(place.root, how.exclude, matcher(place.pattern) if place.pattern else None)


def _with_bytes(found: Sequence[Found], how: Scan, objects: Objects) -> dict[Path | ObjectUri, SideFile]:
    """Every file that is named, once, with its digest or the reason why it has none."""
    local: dict[Path, tuple[int, int] | None] = {}
    remote: dict[ObjectUri, ObjectUri | RemoteObject] = {}
    for file in found:
        if file.problem:
            continue
        places = [(file.place, file.stamp)]
        if file.row is not None:
            places += [(place, None) for place in file.row.files.values() if place != file.place]
        for place, stamp in places:
            if isinstance(place, Path):
                local[place] = local.get(place) or stamp
            else:
                known = None if stamp is None else RemoteObject(place, *stamp)
                remote[place] = known or remote.get(place, place)
    files: dict[Path | ObjectUri, SideFile] = {}
    for uri, copy in (objects.fetched(remote.values()) if remote else {}).items():
        files[uri] = copy
    for path, read in digests_of(local, how.cache, how.report).items():
        files[path] = read
    return files


def _source_file(
    found: Found, origin: SourceSet, files: dict[Path | ObjectUri, SideFile], name: str
) -> SourceFile:
    main = unreadable(found.place, found.problem) if found.problem else files[found.place]
    side = {}
    if found.row is not None:
        side = {column: files[place] for column, place in found.row.files.items() if column != found.row.main}
    return SourceFile(main.path, name, main.digest, found.row, main.problem, main.stamp, side, origin)
