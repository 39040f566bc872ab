"""Options of sources: where media lie, and how often training sees what lies there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceSet:
    """What training knows of one source of the list `dataset.source`: a file belongs to exactly one.

    Attributes:
        name: for people, distinct within a config; no part of any row's key.
        weight: its share of the training steps, relative to the other sets' weights.
        repeats: how often an epoch sees each of its samples.
        regularisation: whether its samples only keep the model as it was: they are no subject of the LoRA.
    """

    name: str = ""
    weight: float = 1.0
    repeats: int = 1
    regularisation: bool = False
