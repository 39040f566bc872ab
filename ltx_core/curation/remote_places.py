"""What an address in `dataset.source` stands for in an object store."""

from __future__ import annotations

from ltx_core.curation.places import MAGIC, nearest
from ltx_core.errors import ConfigError, LtxError
from ltx_core.store.object_store import ObjectProblemError, ObjectStore, RemoteObject
from ltx_core.store.uri import ObjectUri


def looked_at(uri: ObjectUri, store: ObjectStore) -> RemoteObject | str:
    """The object of this name, or what else it is: `prefix` or `pattern`.

    Raises:
        ConfigError: when it is nothing, naming what is near, or access is denied.
        ObjectStoreError: when the store cannot be reached.
    """
    try:
        seen = store.look(uri)
    except ObjectProblemError as error:
        raise ConfigError(
            f"dataset.source {uri}: {error}; check the bucket's name, and that AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY in the environment allow reading it (or set object_store.anonymous)"
        ) from error
    if seen is not None:
        return seen
    if MAGIC.search(uri.key):
        return "pattern"
    raise ConfigError(
        f"dataset.source {uri} does not exist; {_neighbour(uri, store)}give s3://bucket/prefix, an object or "
        "a pattern as s3://bucket/films/**/*.mp4"
    )


def _neighbour(uri: ObjectUri, store: ObjectStore) -> str:
    if not uri.key:
        return "check the bucket's name. Else "
    try:
        names = [one.uri.name for one in store.listing(uri.parent, deep=False)]
    except LtxError:
        return ""
    close = nearest(uri.name, names)
    return f"did you mean {uri.parent / close}? Else " if close else ""
