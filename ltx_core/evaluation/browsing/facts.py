"""What the pages of a dataset show, as plain data: a page is a function of this alone.

Design choices
- Scores are (name, value) pairs and limits are looked up by the same name, so that a new measure shows up by
  being measured.
- Media are named by paths relative to the page's folder; whether they exist was decided by who made them.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["video", "audio", "picture", "nothing"]
DESCRIBED = "describe"
"""Captioner whose texts are measured facts: they are marked, since nobody wrote them."""
PART = "of 1"
"""Unit of a share."""
UNITS = {"_dbfs": "dBFS", "_s": "seconds"}
"""Units of scores by the end of their names."""
SPLITS = {"train": "trains", "heldout": "held out", "gap": "gap", "": "no sample"}


@dataclass(frozen=True)
class Limit:
    """Where a filter rejects: below `low`, above `high`; `rejects` is False where it only reports."""

    low: float | None = None
    high: float | None = None
    rejects: bool = True

    def holds(self, value: float) -> bool:
        """Whether a value is inside."""
        below = self.low is not None and value < self.low
        return not (below or (self.high is not None and value > self.high))

    @property
    def values(self) -> tuple[float, ...]:
        """The stated ends."""
        return tuple(end for end in (self.low, self.high) if end is not None)

    def words(self) -> str:
        """The limit in words."""
        verb = "set aside" if self.rejects else "reported"
        ends = [f"below {self.low:g}"] if self.low is not None else []
        ends += [f"above {self.high:g}"] if self.high is not None else []
        return f"{verb} {' or '.join(ends)}" if ends else ""


@dataclass(frozen=True)
class Look:
    """One way to look at a clip, or to listen to it.

    Attributes:
        label: "Clip", "Mask over it", "Reference", ...
        kind: what `media` is; "picture" where there is a still alone.
        still: picture, relative to the page's folder, or "".
        media: video or sound, likewise.
        alt: what the picture shows, in words.
        note: a remark, such as why there is nothing to see.
    """

    label: str
    kind: Kind = "nothing"
    still: str = ""
    media: str = ""
    alt: str = ""
    note: str = ""


@dataclass(frozen=True)
class ClipFacts:
    """One clip.

    Attributes:
        clip_id, name: as in the store.
        split: train, heldout, gap, or "" where it is no sample.
        bucket: size and frames, or a duration.
        fps, seconds: of what is used of it.
        source, path: name and place of the source file; "" for imported samples.
        span: its range in the source: "frames 10 to 30".
        start_s, end_s: the same in seconds of the source.
        source_fps: frame rate of the source; 0 where there is none.
        width, height: pixels of the source; 0 without pictures.
        caption, caption_source: as trained, and where it comes from.
        sound: "yes", or why there is none.
        repeats: how often an epoch has it, on average.
        regularisation: whether it only keeps the model as it was.
        scores: what was measured, by name.
        found: (filter, reason) of filters that found something, also where they only report.
        aside: why it is no sample, or "".
        looks: what can be seen of it.
        rows: (stage, status, content, made) of the store, on its own page.
    """

    clip_id: str
    name: str
    split: str = ""
    bucket: str = ""
    fps: float = 0.0
    seconds: float = 0.0
    source: str = ""
    path: str = ""
    span: str = ""
    start_s: float = 0.0
    end_s: float = 0.0
    source_fps: float = 0.0
    width: int = 0
    height: int = 0
    caption: str = ""
    caption_source: str = ""
    sound: str = ""
    repeats: float = 1.0
    regularisation: bool = False
    scores: Mapping[str, float] = field(default_factory=dict)
    found: tuple[tuple[str, str], ...] = ()
    aside: str = ""
    looks: tuple[Look, ...] = ()
    rows: tuple[tuple[str, str, str, str], ...] = ()

    @property
    def described(self) -> bool:
        """Whether its caption is made of measured facts."""
        return self.caption_source == DESCRIBED

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader may look for: short words, equal for equal states."""
        found = ["set aside"] if self.aside else []
        found += ["described caption"] if self.described else []
        found += ["no caption"] if not self.caption else []
        found += ["no sound"] if self.sound not in ("", "yes") else []
        found += ["regularisation"] if self.regularisation else []
        return (*found, *(name.replace("_", " ") for name, _ in self.found))


@dataclass(frozen=True)
class Aside:
    """Something that is not used; `clip_id` where it is a clip with a card of its own."""

    what: str
    stage: str
    reason: str
    still: str = ""
    clip_id: str = ""


@dataclass(frozen=True)
class Twins:
    """Clips that look alike: (clip id, its distance from the first), the one that is kept first."""

    members: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Collection:
    """A dataset.

    Attributes:
        title: the config's name.
        digest: of the dataset, or "" before there is one.
        clips: in order of source and time.
        aside: sources, cuts, clips and rows that are not used.
        twins: near-duplicates.
        limits: of scores, by name.
        notes: what a reader should know: what is not made yet, how many previews there are.
    """

    title: str
    digest: str = ""
    clips: tuple[ClipFacts, ...] = ()
    aside: tuple[Aside, ...] = ()
    twins: tuple[Twins, ...] = ()
    limits: Mapping[str, Limit] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measure:
    """Values of one quantity over the clips.

    Attributes:
        name: of the quantity.
        unit: what stands at its axis.
        values: one per clip that has it.
        limits: where filters reject or report.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    limits: tuple[float, ...] = ()


def measures(clips: Sequence[ClipFacts], limits: Mapping[str, Limit]) -> list[Measure]:
    """Sizes, lengths, rates, captions and every score, of the clips that have them."""
    pictured = [clip for clip in clips if clip.width and clip.height]
    found = [
        Measure("Aspect", "width / height of the source", tuple(c.width / c.height for c in pictured)),
        Measure("Width", "pixels of the source", tuple(float(c.width) for c in pictured)),
        Measure("Height", "pixels of the source", tuple(float(c.height) for c in pictured)),
        Measure("Length", "seconds of a cut", tuple(c.end_s - c.start_s for c in clips if c.end_s)),
        Measure("Frame rate", "frames per second of the source", _positive(clips, "source_fps")),
        Measure("Length as trained", "seconds", _positive(clips, "seconds")),
        Measure("Captions", "words", tuple(float(len(c.caption.split())) for c in clips if c.caption)),
    ]
    for name in dict.fromkeys(name for clip in clips for name in clip.scores):
        values = tuple(v for clip in clips if math.isfinite(v := clip.scores.get(name, math.nan)))
        ends = limits[name].values if name in limits else ()
        words, unit = score_words(name)
        found.append(Measure(f"{words[:1].upper()}{words[1:]}", unit, values, ends))
    return [one for one in found if one.values]


def score_words(name: str) -> tuple[str, str]:
    """A score's name for people, and its unit by the name's end."""
    for end, unit in UNITS.items():
        if name.endswith(end):
            return name.removesuffix(end).replace("_", " "), unit
    return name.replace("_", " "), PART if name.endswith("_share") else ""


def _positive(clips: Sequence[ClipFacts], name: str) -> tuple[float, ...]:
    return tuple(float(value) for clip in clips if (value := getattr(clip, name)) > 0)


def kind_of_reason(reason: str) -> str:
    """A reason without the numbers and names of one case, so that equal cases are counted together."""
    text = re.sub(r"same content as .*, which is used", "same content as another file", reason)
    head = text.split(":", 1)[0] if ":" in text else text
    return re.sub(r"-?\d+(\.\d+)?", "…", head).strip() or "no reason"


def in_rounds(facts: Sequence[ClipFacts]) -> list[ClipFacts]:
    """Clips in rounds over their sources, those of the dataset before those set aside."""
    turn: dict[tuple[str, bool], int] = defaultdict(int)
    ranks = []
    for index, one in enumerate(facts):
        key = (one.source, bool(one.aside))
        ranks.append((bool(one.aside), turn[key], index))
        turn[key] += 1
    return [facts[index] for _, _, index in sorted(ranks)]
