"""spans: stretches of a sound that are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from ltx_core.curation.kinds import Kind, Work
from ltx_core.curation.masking.audio_mask import AudioMask, spans_mask
from ltx_core.curation.masking.audio_target import AudioTarget
from ltx_core.curation.masking.shapes import generator


@dataclass(frozen=True)
class AudioSpanOptions:
    """Stretches.

    Attributes:
        seed: with the clip's id, the source of every number.
        coverage: share of the clip that is generated.
        spans: stretches in one mask, at most.
    """

    seed: int = 0
    coverage: Annotated[float, Gt(0), Le(0.9)] = 0.4
    spans: Annotated[int, Ge(1)] = 2


def draw_spans(
    clip_id: str, seconds: float, options: AudioSpanOptions, least: float = 0.0
) -> list[tuple[float, float]]:
    """Stretches to generate, in order and apart: a function of the clip's id and the options.

    Args:
        clip_id: the clip.
        seconds: its duration.
        options: seed, coverage, number.
        least: shortest stretch in seconds; fewer or longer ones are drawn where they would be shorter.
    """
    rng = generator(clip_id, "spans", options.seed)
    total = min(max(options.coverage * seconds, least), seconds)
    most = max(1, min(options.spans, int(total / least) if least > 0 else options.spans))
    count = int(rng.integers(1, most + 1))
    shares = rng.dirichlet(np.full(count, 4.0))
    lengths = least + shares * max(0.0, total - count * least) if count * least <= total else [total]
    gaps = rng.dirichlet(np.ones(count + 1)) * (seconds - total)
    spans, at = [], 0.0
    for gap, length in zip(gaps, lengths, strict=False):
        at += float(gap)
        spans.append((at, min(at + float(length), seconds)))
        at += float(length)
    return spans


def _make(target: AudioTarget, options: AudioSpanOptions, work: Work) -> AudioMask:
    # The shortest stretch covers one latent step wholly, wherever it lies.
    spans = draw_spans(work.clip_id, target.seconds, options, 2 * target.step)
    return spans_mask(spans, target.seconds)


AUDIO_SPANS = Kind(
    "spans", "stretches of time, drawn from the clip's id and `seed`", AudioSpanOptions, _make, of_clip=False
)
