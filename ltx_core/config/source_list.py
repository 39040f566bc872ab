"""`dataset.source` as it may be written: text, a mapping, or a list of both.

Design choices
- Text is the usual form and what a config is written back as where nothing else is stated.
- A URI is no path: `s3://bucket/films` has no folder that it is relative to.
- What may hold a secret (a URI with a password or a signature) is refused before anything quotes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any
from urllib.parse import urlsplit

from ltx_core.curation.options.sources import SourceOptions
from ltx_core.errors import ConfigError
from ltx_core.store.uri import ObjectUri, UriError, is_uri

FORMS = (
    "a folder, a pattern as films/**/*.mp4, a media file, a dataset file (CSV, JSON, JSONL, Parquet) or "
    "s3://bucket/prefix"
)
"""What a source may be."""


def parsed_sources(value: Any) -> Any:
    """What pydantic checks further: a list of mappings.

    Raises:
        ValueError: when it is nothing that a source can be.
    """
    listed = list(value) if isinstance(value, list | tuple) else [value]
    if not listed:
        raise ValueError(f"no source; give at least one: {FORMS}")
    return [_parsed(one) for one in listed]


def written_sources(sources: tuple[SourceOptions, ...]) -> Any:
    """The shortest form that reads back as the same."""
    plain = [_written(one) for one in sources]
    return plain[0] if len(plain) == 1 else plain


def located(value: Any, locate: Callable[[str], str]) -> Any:
    """A source, or a list of them, with absolute paths; what is no text is left to pydantic.

    Args:
        value: as it stands in the YAML file.
        locate: gives the absolute path of a relative one.

    Raises:
        ConfigError: for a URI that cannot be read.
    """
    if isinstance(value, list | tuple):
        return [located(one, locate) for one in value]
    if isinstance(value, Mapping):
        return {key: located(one, locate) if key == "path" else one for key, one in value.items()}
    if not isinstance(value, str | os.PathLike):
        return value
    text = os.fspath(value)
    if not isinstance(text, str) or not text.strip():
        return value
    if is_uri(text):
        return _checked_uri(text)
    return locate(text)


def check_endpoint(endpoint: Any) -> None:
    """Refuse an endpoint that is none, or that holds a password.

    Raises:
        ConfigError: naming what to write.
    """
    if not isinstance(endpoint, str):
        return
    form = "write it as https://HOST or http://HOST:PORT"
    try:
        parts = urlsplit(endpoint)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        raise ConfigError(f"dataset.object_store.endpoint is no address; {form}") from None
    if parts.username or parts.password:
        raise ConfigError(
            "dataset.object_store.endpoint holds a name or a password, which a config may not; set "
            f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment and {form}"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_one:
        raise ConfigError(f"dataset.object_store.endpoint {endpoint!r} is no address; {form}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(f"dataset.object_store.endpoint says more than a host; {form}")


def _parsed(one: Any) -> Any:
    text = os.fspath(one) if isinstance(one, os.PathLike) else one
    if isinstance(text, str):
        text = {"path": text}
    if isinstance(text, SourceOptions):
        return text
    if not isinstance(text, Mapping):
        raise ValueError(f"a source is text or a mapping with `path`; write {FORMS}")
    place = text.get("path")
    if isinstance(place, str) and not place.strip():
        raise ValueError(f"an empty source; write {FORMS}")
    return dict(text)


def _written(one: SourceOptions) -> Any:
    defaults = {field.name: field.default for field in fields(SourceOptions)}
    stated = {name: value for name, value in asdict(one).items() if value != defaults[name]}
    return one.path if stated.keys() == {"path"} else stated


def _checked_uri(text: str) -> str:
    shown = re.sub(r"//[^/@]*@", "//", text).partition("?")[0]
    if re.match(r"https?:", text, re.IGNORECASE):
        raise ConfigError(
            f"dataset.source {shown}: web addresses are not read; download the files and give their folder, "
            "or give s3://bucket/prefix with dataset.object_store.endpoint"
        )
    try:
        return str(ObjectUri.parse(text))
    except UriError as error:
        raise ConfigError(f"dataset.source {error}") from None
