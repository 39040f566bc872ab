"""Rows of the evaluation's tables. No torch: the report, the flow's artifacts and the card read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

ReferenceVariant = Literal["right", "wrong", "withheld"]
REFERENCE_VARIANTS: tuple[ReferenceVariant, ...] = ("right", "wrong", "withheld")
"""A clip's own reference, another clip's, none."""


@dataclass(frozen=True)
class LossRow:
    """Mean held-out loss of one modality at one level.

    Attributes:
        modality: "video" or "audio".
        level: the noise level in (0, 1].
        loss: mean over the clips that have a loss token in this modality.
        clips: how many those are.
        model: "base" or "lora".
        reference: which reference was attached; "right" also where the mode has none.
    """

    modality: str
    level: float
    loss: float
    clips: int
    model: str = "lora"
    reference: str = "right"

    def as_dict(self) -> dict[str, object]:
        """The row as a table shows it."""
        return asdict(self)


@dataclass(frozen=True)
class InfluenceRow:
    """What one kind of reference does to the samples of the held-out clips.

    Attributes:
        variant: "right", "wrong" or "withheld".
        loss: held-out video loss, None when it was not measured.
        centre_px: mean distance of the object to the clip's own object, pixels.
        centre_to_given_px: the same to the object of the clip whose reference was given; None when withheld.
        edge_f1: agreement of the sample's edges with the clip's own edges, 0 to 1.
        clips: how many samples were measured.
    """

    variant: str
    loss: float | None
    centre_px: float | None
    centre_to_given_px: float | None
    edge_f1: float | None
    clips: int

    def as_dict(self) -> dict[str, object]:
        """The row as a table shows it."""
        return asdict(self)


def labelled(rows: Iterable[LossRow], model: str, reference: str = "right") -> list[LossRow]:
    """The rows as those of this model and reference variant."""
    return [replace(row, model=model, reference=reference) for row in rows]


def mean_loss(rows: Iterable[LossRow], modality: str, model: str, reference: str = "right") -> float | None:
    """Mean over the levels of one modality, model and reference variant; None without a row."""
    wanted = (modality, model, reference)
    chosen = [row.loss for row in rows if (row.modality, row.model, row.reference) == wanted]
    return math.fsum(chosen) / len(chosen) if chosen else None


def influence_sentence(rows: Sequence[InfluenceRow]) -> str:
    """What the rows say, in one or two plain sentences; empty without a right and a wrong row."""
    by_variant: Mapping[str, InfluenceRow] = {row.variant: row for row in rows}
    if not {"right", "wrong"} <= by_variant.keys():
        return ""
    right, wrong = by_variant["right"], by_variant["wrong"]
    parts: list[str] = []
    votes: list[bool] = []
    for name, mine, other, lower_is_better in (
        ("held-out loss", right.loss, wrong.loss, True),
        ("distance of the object in pixels", right.centre_px, wrong.centre_px, True),
        ("edge F1", right.edge_f1, wrong.edge_f1, False),
    ):
        if mine is None or other is None:
            continue
        votes.append(mine < other if lower_is_better else mine > other)
        parts.append(f"{name} {mine:.3g} against {other:.3g}")
    if not votes:
        return ""
    verdict = (
        "The samples follow their reference"
        if all(votes)
        else "The reference has no clear influence"
        if not any(votes)
        else "The reference's influence is mixed"
    )
    return f"{verdict}: right against wrong reference, {', '.join(parts)}."
