"""Clips that show the same: found by five hashes each, over all clips together, in seconds for thousands.

Design choices
- Two clips are the same when most of their five pictures are: a hash may differ in a few of its 64 bits, and
  one picture may be another (a cut that lies a frame beside).
- Best first: a clip is a duplicate of a better one that is kept. So a chain of small differences makes no
  group of clips that have nothing in common, and the answer does not depend on the order of files.
- Candidates share a band of bits. With one band more than bits may differ, and one place more than places
  may fail, no pair is missed. Only clips that are kept stand in the tables: a thousand copies cost no more
  than one.
- Windows of one shot look alike by nature. They are duplicates only where neither of them moves.
- Flat pictures have no hash and equal nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.options.filters import DuplicateFilter

PLACES = 5
"""Hashes of a clip."""
FLAT = 0
"""Hash of a flat picture."""
OUTER, INNER = 4096, 256
"""Clips that are compared with those before them at a time, and among themselves."""
PAIRS = 1 << 20
"""Candidates that are compared at a time, for flat memory."""
FEWEST_BANDS = 5
"""Of the bits of a hash, so that a band's values fit into a small table."""
DENSE = 2
"""Share of all pairs (one in so many) from which they are compared one by one."""
Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Shown:
    """What a clip shows, for the comparison.

    Attributes:
        clip_id: of the clip.
        name: for the order among equals.
        hashes: five, signed 64-bit.
        size: pixels times frames; the largest of a group is kept.
        kind: only clips of one kind are compared.
        shot: names the shot that it is a window of.
        moves: whether its picture moves.
    """

    clip_id: str
    name: str
    hashes: tuple[int, ...]
    size: int
    kind: str = "video"
    shot: str = ""
    moves: bool = True


@dataclass(frozen=True)
class Group:
    """Clips that show the same: the one that is kept, and the others in order of name."""

    kept: str
    others: tuple[str, ...]

    @property
    def members(self) -> tuple[str, ...]:
        """All of them, the kept one first."""
        return (self.kept, *self.others)


def duplicate_groups(clips: Sequence[Shown], options: DuplicateFilter) -> list[Group]:
    """Groups of clips that show the same, by name of the kept ones; the order of `clips` does not matter."""
    ordered = sorted(
        (clip for clip in clips if len(clip.hashes) == PLACES),
        key=lambda clip: (-clip.size, clip.name, clip.clip_id),
    )
    if not ordered:
        return []
    table = _Table(ordered, options)
    of = np.arange(len(ordered))
    _assign(table, of)
    members: dict[int, list[Shown]] = {}
    for number, leader in enumerate(of.tolist()):
        if leader != number:
            members.setdefault(leader, []).append(ordered[number])
    groups = [
        (ordered[leader], sorted(found, key=lambda clip: (clip.name, clip.clip_id)))
        for leader, found in members.items()
    ]
    groups.sort(key=lambda pair: (pair[0].name, pair[0].clip_id))
    return [Group(kept.clip_id, tuple(clip.clip_id for clip in found)) for kept, found in groups]


def _assign(table: _Table, of: Indices) -> None:
    """Give each clip the best kept clip that it repeats, or itself; the best clips come first."""
    for outer in _blocks(np.arange(len(of)), OUTER):
        _repeat(table, of, outer, _kept(of, np.arange(outer[0])))
        for inner in _blocks(_kept(of, outer), INNER):
            _repeat(table, of, inner, _kept(of, outer[outer < inner[0]]))
            _among_themselves(table, of, _kept(of, inner))


def _blocks(numbers: Indices, size: int) -> Iterator[Indices]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _kept(of: Indices, numbers: Indices) -> Indices:
    return np.asarray(numbers[of[numbers] == numbers])


def _repeat(table: _Table, of: Indices, queries: Indices, kept: Indices) -> None:
    """Note which of `queries` repeat one of the kept clips, the best one that they do."""
    for query, other in table.same(queries, kept):
        np.minimum.at(of, query, other)


def _among_themselves(table: _Table, of: Indices, numbers: Indices) -> None:
    """The same among a few clips of which none repeats an earlier one."""
    pairs = {
        (after, before)
        for query, other in table.same(numbers, numbers)
        for after, before in zip(query.tolist(), other.tolist(), strict=True)
        if before < after
    }
    for after, before in sorted(pairs):
        if of[before] == before and of[after] == after:
            of[after] = before


class _Table:
    """The clips' hashes, and which of them are near each other."""

    def __init__(self, clips: Sequence[Shown], options: DuplicateFilter) -> None:
        self._options = options
        self._hashes: Hashes = np.array([clip.hashes for clip in clips], np.int64).view(np.uint64).T.copy()
        self._moves = np.array([clip.moves for clip in clips])
        self._kinds = _numbered([clip.kind for clip in clips])
        # A clip of no shot has one of its own.
        self._shots = _numbered([clip.shot or f"\0{number}" for number, clip in enumerate(clips)])
        # If `hashes` of five agree, one of any `5 - hashes + 1` does.
        self._places = range(PLACES - options.hashes + 1)
        bands = max(options.distance + 1, FEWEST_BANDS)
        edges = np.linspace(0, 64, bands + 1).round().astype(np.uint64)
        self._bands = list(zip(edges[:-1], edges[1:] - edges[:-1], strict=True))

    def same(self, queries: Indices, others: Indices) -> Iterator[tuple[Indices, Indices]]:
        """Pairs of a query and another clip that show the same; some come twice."""
        for place in self._places:
            for query, other in self._near(queries, others, place):
                near = query != other
                yield self._verified(query[near], other[near])

    def _near(self, queries: Indices, others: Indices, place: int) -> Iterator[tuple[Indices, Indices]]:
        """Pairs whose hashes at `place` differ in few bits: by the bands that they share, or one by one where
        nearly all share some."""
        queries = queries[self._hashes[place, queries] != FLAT]
        others = others[self._hashes[place, others] != FLAT]
        if not queries.size or not others.size:
            return
        own, theirs = self._hashes[place, queries], self._hashes[place, others]
        bands = [_Band(own, theirs, *band) for band in self._bands]
        if sum(band.pairs for band in bands) * DENSE > own.size * theirs.size:
            step = max(1, PAIRS // theirs.size)
            for start in range(0, own.size, step):
                rows, columns = np.nonzero(self._few(own[start : start + step, None], theirs[None]))
                yield queries[start + rows], others[columns]
            return
        for band in bands:
            for left, right in band.candidates():
                few = np.flatnonzero(self._few(own[left], band.sorted[right]))
                yield queries[left[few]], others[band.order[right[few]]]

    def _few(self, left: Hashes, right: Hashes) -> NDArray[np.bool_]:
        return np.asarray(np.bitwise_count(left ^ right) <= self._options.distance)

    def _verified(self, query: Indices, other: Indices) -> tuple[Indices, Indices]:
        """Those of the pairs that show the same."""
        one_shot = self._shots[query] == self._shots[other]
        asked = ~(one_shot & (self._moves[query] | self._moves[other]))
        asked &= self._kinds[query] == self._kinds[other]
        query, other = query[asked], other[asked]
        agree = np.zeros(query.size, np.int8)
        for hashes in self._hashes:
            agree += (
                self._few(hashes[query], hashes[other]) & (hashes[query] != FLAT) & (hashes[other] != FLAT)
            )
        same = agree >= self._options.hashes
        return query[same], other[same]


class _Band:
    """Two sets of hashes, and which of them have one band of bits in common."""

    def __init__(self, own: Hashes, theirs: Hashes, shift: np.uint64, width: np.uint64) -> None:
        mask = np.uint64((1 << int(width)) - 1)
        keys = ((theirs >> shift) & mask).astype(np.uint16)
        self.order = np.argsort(keys, kind="stable")
        self.sorted = theirs[self.order]
        wanted = ((own >> shift) & mask).astype(np.uint16)
        edges = np.searchsorted(keys[self.order], np.arange((1 << int(width)) + 1))
        self._low = edges[wanted]
        self._counts = edges[wanted.astype(np.int64) + 1] - self._low
        self.pairs = int(self._counts.sum())

    def candidates(self) -> Iterator[tuple[Indices, Indices]]:
        """Positions in `own` and in `sorted`, at most about `PAIRS` at a time."""
        ends = np.cumsum(self._counts)
        start = 0
        while start < ends.size:
            done = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + PAIRS, "right")))
            counts = self._counts[start:stop]
            left = np.repeat(np.arange(start, stop), counts)
            offsets = self._low[start:stop] - (ends[start:stop] - counts - done)
            yield left, np.arange(left.size) + np.repeat(offsets, counts)
            start = stop


def _numbered(names: Sequence[str]) -> Indices:
    """Equal names have equal numbers."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
