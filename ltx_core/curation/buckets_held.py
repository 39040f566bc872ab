"""What chosen buckets hold of some footage: clips, pixels that are cut off, frames that are used."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ltx_core.curation.buckets import Bucket
from ltx_core.curation.buckets_fit import kept_pixels, upscale, worth

Shape = tuple[int, int]
"""Width and height."""


@dataclass(frozen=True, order=True)
class Stretch:
    """Scenes of one size and length.

    Attributes:
        width, height: of their pictures, without borders that are cut off.
        frames: that they hold at the dataset's rate; 1 for a still.
    """

    width: int
    height: int
    frames: int


@dataclass(frozen=True)
class Holding:
    """What a bucket holds of the footage.

    Attributes:
        bucket: the bucket.
        clips: cut to it.
        cropped: share of their pixels that is cut off, on average.
        used: their frames as a share of all frames of the footage, stills apart.
        enlarged: clips that are smaller than the bucket.
    """

    bucket: Bucket
    clips: int
    cropped: float
    used: float
    enlarged: int


def holdings(footage: Counter[Stretch], buckets: Sequence[Bucket], limit: float) -> list[Holding]:
    """What each of the chosen buckets holds, where scenes are cut as the stage `clips` does by default."""
    clips, enlarged = Counter[Bucket](), Counter[Bucket]()
    cropped: dict[Bucket, float] = defaultdict(float)
    total = sum(count * one.frames for one, count in footage.items() if one.frames > 1)
    sizes: dict[Shape, Shape | None] = {}
    for one, count in footage.items():
        of = [bucket for bucket in buckets if (bucket.frames > 1) == (one.frames > 1)]
        key = (one.width, one.height) if one.frames > 1 else (-one.width, -one.height)
        if key not in sizes:
            sizes[key] = _shape_of(one, {(b.width, b.height) for b in of}, buckets, limit)
        shape = sizes[key]
        if shape is None:
            continue
        lengths = sorted({bucket.frames for bucket in of}, reverse=True)
        for frames, used in zip(lengths, tiled(one.frames, lengths), strict=True):
            bucket, number = Bucket(*shape, frames), count * used // frames
            clips[bucket] += number
            cropped[bucket] += number * (1 - float(kept_pixels(one.width, one.height, *shape)))
            enlarged[bucket] += number if upscale(one.width, one.height, *shape) > 1 else 0
    return [
        Holding(
            bucket,
            clips[bucket],
            cropped[bucket] / max(1, clips[bucket]),
            clips[bucket] * bucket.frames / total if total and bucket.frames > 1 else 0.0,
            enlarged[bucket],
        )
        for bucket in buckets
    ]


def tiled(frames: int, lengths: Sequence[int]) -> list[int]:
    """Frames of a scene that go into windows of each length, which are taken in order."""
    used = []
    for length in lengths:
        used.append(frames // length * length)
        frames -= used[-1]
    return used


def _shape_of(one: Stretch, shapes: Iterable[Shape], buckets: Sequence[Bucket], limit: float) -> Shape | None:
    """The shape that keeps most of a picture; None where each enlarges it too much."""
    full = max(bucket.width * bucket.height for bucket in buckets)
    fitting = [shape for shape in shapes if upscale(one.width, one.height, *shape) <= limit + 1e-9]
    ranked = [(float(worth(one.width, one.height, *s, full, limit)), s[0] * s[1], s) for s in fitting]
    return max(ranked)[-1] if ranked else None
