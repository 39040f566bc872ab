"""`hub`: where a published folder is pushed to, and whether it is. Nothing is pushed unless asked."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import field_validator

from ltx_core.config.section import Section
from ltx_core.curation.options.rights import limits
from ltx_core.curation.options.sources import SourceOptions
from ltx_core.store.redact import FORMS

NAME = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]{0,95}(?<![.-])")
"""A repository's name, as the hub wants it."""
PUBLIC = "https://huggingface.co"


class HubSection(Section):
    """Upload to a model hub after publishing."""

    push_to_hub: bool = False
    """Push the published folder when it is made, and again when it has changed."""
    hub_model_id: str | None = None
    """The repository, `owner/name`; it is made where it is not there."""
    private: bool = False
    """Whether a repository that is made is seen by its owner alone. One that is there keeps what it is: a
    public one is refused where this is true."""
    endpoint: str | None = None
    """Address of a hub of one's own; None: `HF_ENDPOINT` of the environment, else huggingface.co."""
    revision: str | None = None
    """The branch to push to, which is made where it is not there; None: the main one."""
    license: str | None = None
    """Of the weights, for the card: a name that hubs know, such as `apache-2.0`, another name, or the address
    of its text; None: the card says that none is stated."""

    @field_validator("hub_model_id", "endpoint", "revision", "license")
    @classmethod
    def _no_secret(cls, value: str | None) -> str | None:
        """A token is never taken from a config; it would be kept in every copy of it."""
        if value is not None and FORMS.search(value):
            raise ValueError(
                "holds a token; take it out and set HF_TOKEN in the environment, or `hf auth login`"
            )
        return value

    @field_validator("endpoint")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.username or parts.password or parts.query:
            raise ValueError(
                "holds a user, a password or a query, which a config may not; write https://HOST and set "
                "HF_TOKEN in the environment"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is no address; write https://HOST or http://HOST:PORT")
        return value.rstrip("/")


def target_words(hub: HubSection) -> str:
    """Where to, in words: `owner/name at https://huggingface.co, branch x (private)`."""
    address = hub.endpoint or os.environ.get("HF_ENDPOINT") or PUBLIC
    branch = f", branch {hub.revision}" if hub.revision else ""
    seen = "private where it is made" if hub.private else "public where it is made"
    return f"{hub.hub_model_id} at {address}{branch} ({seen})"


def hub_refusals(hub: HubSection) -> list[str]:
    """Why it cannot be pushed as it is stated."""
    if not hub.push_to_hub:
        return []
    if hub.hub_model_id is None:
        return ["hub.push_to_hub is true, but hub.hub_model_id says no repository; write `owner/name`"]
    if not NAME.fullmatch(hub.hub_model_id):
        return [
            f"hub.hub_model_id {hub.hub_model_id!r} is no name of a repository: it needs the form "
            "owner/name, of letters, digits, `-`, `_` and `.`; write it as the hub shows it"
        ]
    return []


def hub_notices(hub: HubSection, sources: tuple[SourceOptions, ...], folder: Path) -> list[str]:
    """What will be pushed where, and what should be known before.

    Args:
        hub: the section.
        sources: of the dataset, for what is stated of their licences.
        folder: that is pushed.
    """
    if not hub.push_to_hub:
        return []
    told = f"hub.push_to_hub is true: {folder} is pushed to {target_words(hub)} when it is published"
    if not has_token():
        told += (
            "; no token is known here yet: set HF_TOKEN or `hf auth login` before that, else the push fails "
            "and the same command tries it again"
        )
    found = [told]
    for one in sources:
        if found_limits := limits(one.license):
            found.append(
                f"dataset.source {one.name or Path(one.path).name} is {' and '.join(found_limits)} by its "
                f"licence ({one.license}): look at whether it lets you hand on weights trained on it"
            )
    return found


def has_token() -> bool:
    """Whether huggingface_hub would find a token in the environment or of a login; none is read."""
    home = os.environ.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")
    places: list[Any] = [os.environ.get("HF_TOKEN_PATH"), Path(home) / "token"]
    named = any(os.environ.get(name) for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"))
    return named or any(place and Path(place).is_file() for place in places)
