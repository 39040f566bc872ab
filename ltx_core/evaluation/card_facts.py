"""What a model card says beyond the report: licences, samples, training, lineage; as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LINEAGE_FOLDER = "lineage"
"""Folder of a publication with its tables."""
BEST_FOLDER = "best"
"""Folder of a publication with the weights of the best step."""


@dataclass(frozen=True)
class Shown:
    """A sample in the published folder.

    Attributes:
        path: in the folder.
        prompt: its text.
        seed: of its noise.
    """

    path: str
    prompt: str
    seed: int


@dataclass(frozen=True)
class Licensed:
    """The clips of one licence.

    Attributes:
        license: its name; "unknown" for what nobody stated.
        clips: how many, trained and held out.
        seconds: their duration.
        links: where its text is.
        makers: those who are to be named, or who made them.
        consent: what is stated on the consent of those shown.
        limits: what its name says against handing on, such as "non-commercial".
    """

    license: str
    clips: int
    seconds: float
    links: tuple[str, ...] = ()
    makers: tuple[str, ...] = ()
    consent: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Best:
    """The step with the lowest held-out loss.

    Attributes:
        step: finished steps.
        value: the loss that was judged.
        metric: what that is: "weighted" over the modalities, or one of them.
        published: whether its weights lie in `best/`; they are those of the product where they do not.
    """

    step: int
    value: float
    metric: str
    published: bool


@dataclass(frozen=True)
class CardFacts:
    """What a model card says beyond the report.

    Attributes:
        base_model: id of the base model in a hub; "": none is known; None: what the weights say.
        license: of the weights, as stated by their owner; "": not stated.
        base_license: of the base model, as its files say; "": they say nothing.
        samples: generated with the product.
        training: how it was trained.
        rights: clips by licence, those with the most clips first.
        aside: clips that each filter has set aside.
        lineage: what identifies data, base and code.
        events: interruptions, resumes and other things that happened, one line each.
        layouts: further weights in the folder: path -> what they are.
        best: the best step; None where nothing was judged.
    """

    base_model: str | None = None
    license: str = ""
    base_license: str = ""
    samples: tuple[Shown, ...] = ()
    training: Mapping[str, object] = field(default_factory=dict)
    rights: tuple[Licensed, ...] = ()
    aside: Mapping[str, int] = field(default_factory=dict)
    lineage: Mapping[str, object] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    layouts: Mapping[str, str] = field(default_factory=dict)
    best: Best | None = None
