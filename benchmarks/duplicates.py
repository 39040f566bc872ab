"""Duplicates among many clips: how long the search takes, against all pairs one by one."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.measure import Result, Work, in_turns, line, per_second
from ltx_core.curation.filters.duplicates import Group, Shown, duplicate_groups
from ltx_core.curation.options.filters import FilterOptions

OPTIONS = FilterOptions().duplicate
CLIPS, COPIES = 50_000, 2_000
FEWER = 6_000
AIM = 10.0
"""Seconds of a processor for all of them."""


def duplicate_speeds(rounds: int, quick: bool) -> list[Result]:
    """Distinct clips and copies with a few bits turned; clips that are all equal; all pairs one by one."""
    many, fewer = synthetic(CLIPS, COPIES), synthetic(FEWER, FEWER // 25)
    found: list[Group] = []
    taken = _processor(lambda: found.extend(duplicate_groups(many, OPTIONS)))
    equal = [Shown(f"{n}", f"{n}", (1, 2, 3, 4, 5), 1) for n in range(CLIPS)]
    same = _processor(lambda: duplicate_groups(equal, OPTIONS))
    pair = in_turns(
        lambda: duplicate_groups(fewer, OPTIONS), lambda: all_pairs(fewer), 2 if quick else rounds
    )
    total = CLIPS + COPIES
    return [
        _whole(
            f"duplicates among {total:,} clips, {sum(len(g.others) for g in found):,} found", total, taken
        ),
        _whole(f"duplicates among {CLIPS:,} equal clips", CLIPS, same),
        line(
            f"duplicates among {len(fewer):,} clips",
            "all pairs one by one (numpy)",
            pair,
            len(fewer),
            "clips",
        ),
    ]


def synthetic(distinct: int, copies: int) -> list[Shown]:
    """Clips with random hashes, and copies of some with up to six bits of each hash turned round."""
    draw = np.random.default_rng(0)
    hashes = draw.integers(-(2**63), 2**63 - 1, (distinct, 5))
    again = hashes[draw.integers(0, distinct, copies)]
    for _ in range(OPTIONS.distance):
        again = again ^ (np.int64(1) << draw.integers(0, 63, again.shape))
    rows = np.concatenate([hashes, again]).tolist()
    return [Shown(f"c{n}", f"c{n:06d}", tuple(row), distinct + copies - n) for n, row in enumerate(rows)]


def all_pairs(clips: list[Shown]) -> int:
    """The bare way: each clip's hashes against those of all that follow."""
    hashes = np.array([clip.hashes for clip in clips], np.int64).view(np.uint64)
    found = 0
    for number in range(len(hashes) - 1):
        near = np.bitwise_count(hashes[number] ^ hashes[number + 1 :]) <= OPTIONS.distance
        found += int((near.sum(axis=1) >= OPTIONS.hashes).sum())
    return found


def _processor(work: Work) -> float:
    """Seconds of the processor, which other work on the machine does not change."""
    began = time.process_time()
    work()
    return time.process_time() - began


def _whole(name: str, count: int, taken: float) -> Result:
    speed = f"{taken:.1f} s, {per_second(count, taken, 'clips')}"
    return Result(name, speed=speed, aim=f"< {AIM:g} s", met=taken < AIM)


if __name__ == "__main__":
    for result in duplicate_speeds(3, quick=True):
        print(result)
