"""Which clips are measured in a training, and at which noise levels: few, spread, and always the same.

Design choices
- A clip need not be measured at every level: many clips at a level each say more than few clips at all, at
  equal cost. Each level has at least one clip.
- The choice depends on the clips' ids alone, by a digest: not on their order, on a seed or on the machine.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from ltx_core.store.dataset import Sample


def chosen_clips(samples: Iterable[Sample], count: int) -> list[Sample]:
    """At most `count` samples, spread over buckets, and over sources inside them."""
    ranked = sorted(samples, key=lambda sample: hashlib.sha256(sample.clip_id.encode()).digest())
    by_bucket: dict[str, list[Sample]] = {}
    for sample in ranked:
        by_bucket.setdefault(sample.bucket, []).append(sample)
    queues = [_source_by_source(members) for members in by_bucket.values()]
    found: list[Sample] = []
    for turn in range(max(map(len, queues), default=0)):
        found += [queue[turn] for queue in queues if turn < len(queue)]
    return found[:count]


def _source_by_source(samples: Sequence[Sample]) -> list[Sample]:
    """The first sample of every source, then the second of every source, ..."""
    seen: Counter[str] = Counter()
    turns = []
    for place, sample in enumerate(samples):
        turns.append((seen[sample.source], place, sample))
        seen[sample.source] += 1
    return [sample for _, _, sample in sorted(turns, key=lambda turn: turn[:2])]


def levels_of(clips: int, levels: int, each: int | None = None) -> list[tuple[int, ...]]:
    """Indices of the noise levels at which each of some clips is measured.

    Args:
        clips: how many there are.
        levels: how many levels there are.
        each: levels of a clip; None: as few as give every level a clip.

    Returns:
        One tuple for each clip, no index twice in one.
    """
    if not clips:
        return []
    wanted = min(levels, -(-levels // clips) if each is None else each)
    found = []
    for place in range(clips):
        walk = [*range(place, place + levels * clips, clips), *range(place, place + levels)]
        found.append(tuple(dict.fromkeys(index % levels for index in walk))[:wanted])
    return found
