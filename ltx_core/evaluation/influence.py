"""How much the reference steers: samples of held-out clips with the right, a wrong and no reference.

Design choices
- Right is compared with wrong, never the base model with the LoRA: most of what a LoRA gains over the base
  is getting used to the mode, which a wrong reference shows just as well.
- A wrong reference is another held-out clip's. When the sample follows it, the object is near that clip's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.evaluation.metrics import Frames, centre_distance, edge_f1
from ltx_core.evaluation.rows import REFERENCE_VARIANTS, InfluenceRow, LossRow, mean_loss

Edges = Callable[[Frames], NDArray[np.generic]]
"""Frames `[F, H, W, 3]` -> edge maps `[F, H, W]` or `[F, H, W, 3]`; the run's own reference function."""


@dataclass(frozen=True)
class ReferenceSample:
    """One generated clip and what it is compared with.

    Attributes:
        clip_id: the held-out clip.
        variant: which reference was given.
        generated: uint8 `[F, H, W, 3]`.
        true: the clip's own frames.
        given: frames of the clip whose reference was given; None when it was withheld.
    """

    clip_id: str
    variant: str
    generated: Frames
    true: Frames
    given: Frames | None = None


def influence(
    samples: Iterable[ReferenceSample], losses: Sequence[LossRow], edges: Edges, tolerance: int = 1
) -> list[InfluenceRow]:
    """One row per variant that has a sample or a loss, in the order right, wrong, withheld.

    Args:
        samples: generated clips of all variants.
        losses: held-out rows of the LoRA whose `reference` names the variant.
        edges: the function that made the run's references.
        tolerance: pixels by which edges may be off.
    """
    measured: dict[str, list[ReferenceSample]] = {variant: [] for variant in REFERENCE_VARIANTS}
    for sample in samples:
        measured[sample.variant].append(sample)
    loss = {variant: mean_loss(losses, "video", "lora", variant) for variant in REFERENCE_VARIANTS}
    return [
        _row(variant, measured[variant], loss[variant], edges, tolerance)
        for variant in REFERENCE_VARIANTS
        if measured[variant] or loss[variant] is not None
    ]


def _row(
    variant: str, samples: Sequence[ReferenceSample], loss: float | None, edges: Edges, tolerance: int
) -> InfluenceRow:
    given = [centre_distance(s.generated, s.given) for s in samples if s.given is not None]
    return InfluenceRow(
        variant=variant,
        loss=loss,
        centre_px=_mean(centre_distance(s.generated, s.true) for s in samples),
        centre_to_given_px=_mean(given),
        edge_f1=_mean(edge_f1(edges(s.generated), edges(s.true), tolerance) for s in samples),
        clips=len({s.clip_id for s in samples}),
    )


def _mean(values: Iterable[float]) -> float | None:
    found = [value for value in values if math.isfinite(value)]
    return math.fsum(found) / len(found) if found else None
