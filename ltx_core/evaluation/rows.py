"""Rows of the evaluation's tables. No torch: the report, the flow's artifacts and the card read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

Variant = Literal["right", "wrong", "withheld"]
VARIANTS: tuple[Variant, ...] = ("right", "wrong", "withheld")
"""With a clip's own content, with another clip's, without the condition."""
LOSS = "held-out loss"
SAID = 2
"""Measures that the sentence about a condition names; the table has all."""
CLEAR_CHANGE = 0.02
"""Relative change below which nothing is claimed (a choice: a few held-out clips at four levels repeat to
well below this, since the draws are fixed)."""


@dataclass(frozen=True)
class LossRow:
    """Mean held-out loss of one modality at one level, every condition applied.

    Attributes:
        modality: "video" or "audio".
        level: the noise level in (0, 1].
        loss: mean over the clips that have a loss token in this modality.
        clips: how many those are.
        model: "base" or "lora".
    """

    modality: str
    level: float
    loss: float
    clips: int
    model: str = "lora"

    def as_dict(self) -> dict[str, object]:
        """The row as a table shows it."""
        return asdict(self)


@dataclass(frozen=True)
class Effect:
    """One measure of what a condition, or a given modality, does on held-out clips; the same LoRA throughout.

    Attributes:
        condition: `video.first_frame`, `audio.reference`, ...; `audio` or `video` for a given modality.
        measure: what was measured, with its unit.
        right: with the clip's own content, against the clip itself; None where it was not measured.
        wrong: with another clip's content, against the clip itself.
        followed: with another clip's content, against that other clip.
        withheld: without the condition, against the clip itself.
        better: "lower", "higher", or "" for a number that judges nothing.
        clips: how many were measured.
    """

    condition: str
    measure: str
    right: float | None = None
    wrong: float | None = None
    followed: float | None = None
    withheld: float | None = None
    better: Literal["lower", "higher", ""] = "lower"
    clips: int = 0

    def as_dict(self) -> dict[str, object]:
        """The row as a table shows it."""
        return asdict(self)

    @property
    def helps(self) -> bool | None:
        """Whether its own content is clearly better than none and than another's; None: nothing to judge."""
        others = [value for value in (self.wrong, self.withheld) if value is not None]
        if not self.better or self.right is None or not others:
            return None
        return all(self._beats(self.right, other) for other in others)

    def _beats(self, mine: float, other: float) -> bool:
        gain = other - mine if self.better == "lower" else mine - other
        return gain > 0 and gain >= CLEAR_CHANGE * abs(other)


def labelled(rows: Iterable[LossRow], model: str) -> list[LossRow]:
    """The rows as those of this model."""
    return [replace(row, model=model) for row in rows]


def mean_loss(rows: Iterable[LossRow], modality: str, model: str) -> float | None:
    """Mean over the levels of one modality and model; None without a row."""
    chosen = [row.loss for row in rows if (row.modality, row.model) == (modality, model)]
    return math.fsum(chosen) / len(chosen) if chosen else None


def by_condition(effects: Iterable[Effect]) -> dict[str, list[Effect]]:
    """The rows of each condition, in the order given."""
    found: dict[str, list[Effect]] = {}
    for effect in effects:
        found.setdefault(effect.condition, []).append(effect)
    return found


def condition_title(condition: str) -> str:
    """A condition for people: "first frame (video)", "given sound"."""
    if "." not in condition:
        return "given sound" if condition == "audio" else f"given {condition}"
    modality, kind = condition.split(".", 1)
    return f"{kind.replace('_', ' ')} ({modality})"


def decides(rows: Sequence[Effect]) -> bool | None:
    """Whether a condition does what it is for: by all of its judging rows True, by none False, else None."""
    votes = [row.helps for row in rows if row.helps is not None]
    return None if not votes or len(set(votes)) > 1 else votes[0]


def effect_sentence(rows: Sequence[Effect]) -> str:
    """What the rows of one condition say, in one plain sentence; empty where none of them judges."""
    judging = [row for row in rows if row.helps is not None]
    if not judging:
        return ""
    title = condition_title(rows[0].condition)
    verdict = {
        True: f"The samples follow the {title}",
        False: f"The {title} has no clear influence",
        None: f"The influence of the {title} is mixed",
    }[decides(judging)]
    return f"{verdict}: {'; '.join(_numbers(row) for row in judging[:SAID])}."


def _numbers(row: Effect) -> str:
    words: Mapping[str, float | None] = {
        "with another clip's": row.wrong,
        "without it": row.withheld,
    }
    others = ", ".join(f"{value:.3g} {word}" for word, value in words.items() if value is not None)
    return f"{row.measure} {row.right:.3g} with the clip's own, {others}"
