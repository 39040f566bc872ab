"""Buckets chosen from the data: the fewest shapes and lengths that keep a stated share of it.

Design choices
- Shapes: all sizes that the model takes with nearly the stated area. One after the other is added where it
  keeps most pixels, and each is exchanged for better ones, until enough is kept: a greedy search with
  exchanges finds the best pair where a greedy one alone keeps its first choice.
- Footage too small for these gets shapes of half the area, a quarter, and so on: never is it enlarged beyond
  the limit. A smaller shape costs the detail that it loses, so nothing else goes there.
- Lengths: clips are cut from a scene's beginning, the longest first. One frame count alone keeps most frames
  when it is short; that would cut everything to pieces. So a scene counts for at most `WINDOWS` clips when
  lengths are compared, and for all its clips when it is asked whether enough is kept.
- All shapes have all lengths, so that a clip's length does not decide its shape.
- Distinct sizes and lengths are counted first: the work does not grow with the number of clips, and their
  order changes nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.buckets import Bucket
from ltx_core.curation.buckets_fit import FULL, worth
from ltx_core.curation.buckets_held import Shape, Stretch, tiled
from ltx_core.curation.buckets_search import fewest
from ltx_core.curation.options.buckets import AutoBuckets

WINDOWS = 4
"""Clips of one scene that count when lengths are compared."""
LEVELS = 5
"""Areas that are tried: the stated one, half of it, …"""
PIXEL_GAIN, FRAME_GAIN = 0.005, 0.03
"""Share of the pixels or frames that a further shape or length must keep more."""


@dataclass(frozen=True)
class Limits:
    """What the model and the mode allow.

    Attributes:
        width, height, time: sides are multiples of these, frame counts one more than a multiple.
        tokens: of a sample of a bucket.
        usable: whether the mode leaves something to generate in a bucket.
        upscale: enlargement that is allowed.
    """

    width: int
    height: int
    time: int
    tokens: Callable[[Bucket], int]
    usable: Callable[[Bucket], bool]
    upscale: float


def choose_buckets(footage: Counter[Stretch], limits: Limits, options: AutoBuckets) -> tuple[Bucket, ...]:
    """The buckets for some footage, in order.

    Args:
        footage: how many scenes there are of each size and length.
        limits: of the model and the mode.
        options: what is asked for.

    Raises:
        ValueError: when no size fits the limits, or no scene is long enough, with what to change.
    """
    films = Counter({one: count for one, count in footage.items() if one.frames > 1})
    stills = Counter({one: count for one, count in footage.items() if one.frames == 1})
    found: list[Bucket] = []
    if films:
        lengths = _lengths(films, limits, options)
        if not lengths and not stills:
            longest = max(one.frames for one in films)
            raise ValueError(
                f"no scene is long enough: the longest holds {longest} frames and "
                f"auto_buckets.min_frames is {options.min_frames}; use {longest} or less, or longer films"
            )
        if lengths:
            held = Counter({one: n * sum(tiled(one.frames, lengths)) for one, n in films.items()})
            shapes = _shapes(+held, lengths, limits, options)
            found += [Bucket(*shape, frames) for shape, frames in product(shapes, lengths)]
    if stills and (not found or _any_usable(1, limits, options)):
        found += [Bucket(*shape, 1) for shape in _shapes(stills, (1,), limits, options)]
    return tuple(sorted(bucket for bucket in found if limits.usable(bucket)))


def widest_buckets(limits: Limits, options: AutoBuckets) -> tuple[Bucket, ...]:
    """Buckets with the most tokens that could be chosen, before any footage is known.

    Raises:
        ValueError: when no size fits the limits.
    """
    length = max(_allowed(limits, options))
    shapes = _level(_area(limits, options, length), limits, options)
    return (
        max((Bucket(*shape, length) for shape in shapes), key=lambda bucket: (limits.tokens(bucket), bucket)),
    )


def candidates(limits: Limits, options: AutoBuckets) -> list[Bucket]:
    """All buckets that could be chosen, in order, if the mode left something in each and tokens were no
    limit; none where no size fits the limits."""
    allowed = _allowed(limits, options)
    try:
        areas = {
            float(options.area),
            *(_area(limits, options, frames) for frames in (allowed[0], allowed[-1])),
        }
        shapes = set(_level(options.area, limits, options))
        for area, level in product(areas, range(LEVELS)):
            shapes.update(_between(FULL * area / 2**level, area / 2**level, limits, options))
    except ValueError:
        return []
    lengths = (1, *_allowed(limits, replace(options, max_tokens=None)))
    return sorted(Bucket(*shape, frames) for shape, frames in product(shapes, lengths))


def _allowed(limits: Limits, options: AutoBuckets) -> list[int]:
    """Frame counts within the options and the tokens, ascending; the shortest one in any case."""
    least = -(-(options.min_frames - 1) // limits.time) * limits.time + 1
    counts = list(range(least, max(least, options.max_frames) + 1, limits.time))
    if options.max_tokens is None:
        return counts
    shapes = _level(options.area, limits, options)
    within = [
        frames
        for frames in counts
        if all(limits.tokens(Bucket(*shape, frames)) <= options.max_tokens for shape in shapes)
    ]
    return within or counts[:1]


def _area(limits: Limits, options: AutoBuckets, frames: int) -> float:
    """The stated area, or a smaller one where `frames` of it have too many tokens."""
    area = float(options.area)
    while options.max_tokens is not None:
        shapes = _level(area, limits, options)
        if all(limits.tokens(Bucket(*shape, frames)) <= options.max_tokens for shape in shapes):
            break
        area *= 0.95
    return area


def _level(area: float, limits: Limits, options: AutoBuckets) -> list[Shape]:
    """All shapes of nearly an area, the largest first.

    Raises:
        ValueError: when there is none.
    """
    near = _between(FULL * area, area, limits, options)
    if near:
        return near
    every = _between(0, area, limits, options)
    if not every:
        raise ValueError(
            f"no shape of at most {area:.0f} pixels with sides that are multiples of {limits.width} and "
            f"{limits.height} has an aspect from {options.min_aspect:g} to {options.max_aspect:g}; raise "
            f"auto_buckets.area (or max_tokens), or widen the aspects"
        )
    most = every[0][0] * every[0][1]
    return [shape for shape in every if shape[0] * shape[1] == most]


def _between(least: float, area: float, limits: Limits, options: AutoBuckets) -> list[Shape]:
    """All shapes of an area from `least` to `area`, the largest first."""
    found = []
    for height in range(limits.height, math.isqrt(int(area / options.min_aspect)) + 1, limits.height):
        first = max(least / height, options.min_aspect * height) / limits.width
        last = min(area / height, options.max_aspect * height) / limits.width
        widths = range(max(1, math.ceil(first - 1e-9)), math.floor(last + 1e-9) + 1)
        found += [(width * limits.width, height) for width in widths]
    return sorted(found, key=lambda shape: (-shape[0] * shape[1], shape))


def _shapes(
    footage: Counter[Stretch], lengths: Sequence[int], limits: Limits, options: AutoBuckets
) -> list[Shape]:
    """The fewest shapes that keep enough of the pictures, each of which counts as often as it is used."""
    full = _area(limits, options, max(lengths))
    candidates: list[Shape] = []
    for level in range(LEVELS):
        try:
            found = _level(full / 2**level, limits, options)
        except ValueError:
            if level == 0:
                raise
            break
        usable = [s for s in found if all(limits.usable(Bucket(*s, frames)) for frames in lengths)]
        candidates += [shape for shape in usable if shape not in candidates]
    if not candidates:
        raise ValueError(
            "the mode's conditions leave nothing to generate in any shape; change the conditions, or raise "
            "auto_buckets.area and min_frames"
        )
    sizes = Counter[Shape]()
    for one, count in footage.items():
        sizes[one.width, one.height] += count
    ordered = sorted(sizes)
    weights = np.array([sizes[size] for size in ordered], np.float64)
    wide, high = (np.array([size[axis] for size in ordered], np.float64)[:, None] for axis in (0, 1))
    across, down = (np.array([shape[axis] for shape in candidates], np.float64) for axis in (0, 1))
    table = worth(wide, high, across, down, full, limits.upscale)
    shares = weights / weights.sum()

    def score(chosen: Sequence[int]) -> NDArray[np.float64]:
        best = table[:, list(chosen)].max(1, initial=0.0)
        found: NDArray[np.float64] = np.round(shares @ np.maximum(best[:, None], table), 9)
        return found

    return [candidates[place] for place in fewest(score, options.keep_pixels, options.max_shapes, PIXEL_GAIN)]


def _any_usable(frames: int, limits: Limits, options: AutoBuckets) -> bool:
    """Whether the mode can use a length at all: a still has nothing left where its first frame is held."""
    return any(limits.usable(Bucket(*shape, frames)) for shape in _level(options.area, limits, options))


def _lengths(footage: Counter[Stretch], limits: Limits, options: AutoBuckets) -> list[int]:
    """The fewest frame counts that use enough of the frames, the longest first."""
    counts = Counter[int]()
    for one, count in footage.items():
        counts[one.frames] += count
    held = np.array(sorted(counts), np.int64)
    number = np.array([counts[int(frames)] for frames in held], np.int64)
    candidates = [
        frames
        for frames in reversed(_allowed(limits, options))
        if frames <= held.max() and _any_usable(frames, limits, options)
    ]

    def share(lengths: Iterable[int], windows: int | None) -> float:
        rest, left, used = (
            held.copy(),
            np.full(len(held), windows or held.max()),
            np.zeros(len(held), np.int64),
        )
        for frames in sorted(lengths, reverse=True):
            taken = np.minimum(rest // frames, left)
            used, rest, left = used + taken * frames, rest - taken * frames, left - taken
        return round(float((number * used).sum() / (number * held).sum()), 9)

    def score(chosen: Sequence[int]) -> NDArray[np.float64]:
        kept = [candidates[place] for place in chosen]
        return np.array([share({*kept, frames}, WINDOWS) for frames in candidates])

    def reached(chosen: Sequence[int]) -> float:
        return share([candidates[place] for place in chosen], None)

    chosen = fewest(score, options.keep_frames, options.max_lengths, FRAME_GAIN, reached)
    return sorted((candidates[place] for place in chosen), reverse=True)
