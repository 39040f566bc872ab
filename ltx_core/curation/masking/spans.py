"""spans: stretches of whole frames, for a model that fills gaps in time.

A stretch is one of latent frames, so that each is generated wholly or kept wholly: latent 0 is the first
frame by itself, latent k the `scale.time` frames that follow (the causal rule).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from ltx_core.curation.kinds import Kind, Work
from ltx_core.curation.masking.shapes import generator
from ltx_core.curation.masking.target import Mask, Target
from ltx_core.geometry.units import latent_frames


@dataclass(frozen=True)
class SpanOptions:
    """Stretches.

    Attributes:
        seed: with the clip's id, the source of every number.
        coverage: share of the clip's latent frames that is generated.
        spans: stretches in one mask, at most.
    """

    seed: int = 0
    coverage: Annotated[float, Gt(0), Le(0.9)] = 0.3
    spans: Annotated[int, Ge(1)] = 2


def draw_spans(count: int, rng: np.random.Generator, coverage: float, spans: int) -> list[tuple[int, int]]:
    """Stretches among `count` latent frames, in order and apart from each other, end exclusive.

    At least one frame is in them, and at least one is not where there are two.
    """
    total = int(np.clip(round(coverage * count), 1, max(1, count - 1)))
    gaps = count - total
    most = max(1, min(spans, total, gaps + 1))
    number = int(rng.integers(1, most + 1))
    cuts = np.sort(rng.choice(total - 1, number - 1, replace=False)) + 1 if number > 1 else np.array([], int)
    lengths = np.diff(np.concatenate([[0], cuts, [total]]))
    starts = np.sort(rng.choice(gaps + 1, number, replace=False))
    before = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return [(int(s + b), int(s + b + n)) for s, b, n in zip(starts, before, lengths, strict=True)]


def _make(target: Target, options: SpanOptions, work: Work) -> Mask:
    time = target.scale.time
    count = latent_frames(target.frames, time)
    mask = np.ones(target.size, np.float32)
    rng = generator(work.clip_id, "spans", options.seed)
    for start, end in draw_spans(count, rng, options.coverage, options.spans):
        mask[max(0, (start - 1) * time + 1) : (end - 1) * time + 1] = 0
    return mask


SPANS = Kind(
    "spans",
    "stretches of whole latent frames, drawn from the clip's id and `seed`",
    SpanOptions,
    _make,
    of_clip=False,
)
