"""Options of sources: where media lie, and how often training sees what lies there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from ltx_core.curation.options.rights import COLUMNS, Rights


@dataclass(frozen=True)
class SourceSet:
    """What training knows of one source of the list `dataset.source`: a file belongs to exactly one.

    Attributes:
        name: for people, distinct within a config; no part of any row's key.
        repeats: how often an epoch sees each of its samples.
        weight: a factor of that, kept exactly over epochs: 0.5 sees each sample in every second one.
        regularisation: whether its samples only keep the model as it was: they are no subject of the LoRA.
        trigger: what its captions say in place of `dataset.trigger`; None: that one.
        rights: licence and makers of what lies in it, as stated; no part of any result's key.
    """

    name: str = ""
    weight: float = 1.0
    repeats: int = 1
    regularisation: bool = False
    trigger: str | None = None
    rights: Rights = field(default_factory=Rights)


@dataclass(frozen=True)
class SourceOptions:
    """One source of media.

    Attributes:
        path: a folder, a pattern (`films/**/*.mp4`), a media file, a dataset file, or `s3://bucket/prefix`.
        name: for people; "": the last part of `path`.
        repeats: how often an epoch sees each of its samples.
        weight: a factor of that, kept exactly over epochs: 0.5 sees each sample in every second one.
        regularisation: its samples only keep the model as it was; their captions do not say the trigger.
        trigger: for its captions in place of `dataset.trigger`; None: that one, or none in a
            regularisation set.
        license: of what lies in it, best an SPDX identifier, such as CC-BY-4.0; "": not stated. These five go
            into lineage and model card and change no result; a dataset file's columns of the same names win.
        license_url: where its text is.
        author: who made it.
        attribution: the words in which its maker is to be named.
        consent: how those who are seen or heard in it have agreed.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    path: str
    name: str = ""
    weight: Annotated[float, Gt(0), Le(1e6)] = 1.0
    repeats: Annotated[int, Ge(1)] = 1
    regularisation: bool = False
    trigger: str | None = None
    license: str = ""
    license_url: str = ""
    author: str = ""
    attribution: str = ""
    consent: str = ""

    @property
    def rights(self) -> Rights:
        """What is stated of its licence."""
        return Rights(**{name: getattr(self, name) for name in COLUMNS})


@dataclass(frozen=True)
class ObjectStoreOptions:
    """How S3-compatible stores are reached. Credentials come from the environment only.

    Attributes:
        endpoint: as `https://minio.example:9000`; None: `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` of the
            environment, else Amazon's.
        region: None: `AWS_REGION` or `AWS_DEFAULT_REGION`, else the bucket's own.
        anonymous: ask without credentials, for public buckets.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False


def source_sets(sources: tuple[SourceOptions, ...]) -> tuple[SourceSet, ...]:
    """What training knows of each source, in order; names that several have are numbered."""
    taken: dict[str, int] = {}
    sets = []
    for one in sources:
        name = one.name or one.path.rstrip("/").rpartition("/")[2] or one.path
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:
            name = f"{name} ({taken[name]})"
        trigger = "" if one.trigger is None and one.regularisation else one.trigger
        sets.append(SourceSet(name, one.weight, one.repeats, one.regularisation, trigger, one.rights))
    return tuple(sets)
