"""Whether the sources are there, in words; nothing is read or fetched yet."""

from __future__ import annotations

import os

from ltx_core.config.root import Config
from ltx_core.curation.places import place_of
from ltx_core.curation.remote_places import looked_at
from ltx_core.errors import ConfigError, LtxError
from ltx_core.store.object_store import ObjectStore, RemoteObject
from ltx_core.store.uri import ObjectUri, is_uri

KINDS = {"table": "dataset file", "media": "media file", "pattern": "pattern"}


def check_sources(config: Config) -> str:
    """What every source is.

    Raises:
        ConfigError: naming each one that is not there, with what may have been meant.
    """
    said, problems = [], []
    for one in config.dataset.source:
        try:
            said.append(_in_store(one.path, config) if is_uri(one.path) else _on_disk(one.path))
        except LtxError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return "; ".join(said)


def _on_disk(path: str) -> str:
    place = place_of(path)
    if place.kind == "folder":
        return f"{sum(len(files) for _, _, files in os.walk(place.root))} files in {place.root}"
    return f"{KINDS[place.kind]} {path}"


def _in_store(path: str, config: Config) -> str:
    options = config.dataset.object_store
    store = ObjectStore(options.endpoint, options.region, options.anonymous)
    seen = looked_at(ObjectUri.parse(path), store)
    return f"{'object' if isinstance(seen, RemoteObject) else seen} {path}"
