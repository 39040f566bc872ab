"""Duplicates: exactly those that the rule names, the best kept, whatever the order and number of clips."""

from __future__ import annotations

import itertools
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.curation.filters.duplicates import Shown, duplicate_groups
from ltx_core.curation.options.filters import DuplicateFilter

RULE = DuplicateFilter("on", 6, 4)


def bits(hashed: int) -> int:
    return hashed & (1 << 64) - 1


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def changed(hashes, draw, flips):
    """The same pictures with so many bits of each hash turned round."""
    out = []
    for hashed, count in zip(hashes, flips, strict=True):
        value = bits(hashed)
        for bit in draw.choice(64, count, replace=False):
            value ^= 1 << int(bit)
        out.append(signed(value))
    return tuple(out)


def fresh(draw):
    return tuple(int(value) for value in draw.integers(-(2**63), 2**63 - 1, 5))


def same(left: Shown, right: Shown, rule: DuplicateFilter) -> bool:
    """The rule in plain words, pair by pair."""
    if left.kind != right.kind or (left.shot and left.shot == right.shot and (left.moves or right.moves)):
        return False
    pairs = list(zip(left.hashes, right.hashes, strict=True))
    near = [a != 0 and b != 0 and (bits(a) ^ bits(b)).bit_count() <= rule.distance for a, b in pairs]
    return sum(near) >= rule.hashes


def by_hand(clips, rule):
    kept, groups = [], {}
    for clip in sorted(clips, key=lambda c: (-c.size, c.name, c.clip_id)):
        leader = next((one for one in kept if same(one, clip, rule)), None)
        if leader is None:
            kept.append(clip)
        else:
            groups.setdefault(leader.clip_id, set()).add(clip.clip_id)
    return groups


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([RULE, DuplicateFilter("on", 0, 5)]))
def test_groups_are_those_of_the_rule_pair_by_pair(seed, count, rule):
    draw = np.random.default_rng(seed)
    clips = []
    for number in range(count):
        source = clips[int(draw.integers(len(clips)))] if clips and draw.random() < 0.7 else None
        hashes = fresh(draw) if source is None else changed(source.hashes, draw, draw.integers(0, 9, 5))
        if draw.random() < 0.1:
            hashes = (0, *hashes[1:])
        size, kind = int(draw.integers(1, 4)), "image" if draw.random() < 0.1 else "video"
        shot = f"film {draw.integers(3)}" if draw.random() < 0.3 else ""
        name = f"{draw.integers(0, 10**9)}"
        clips.append(Shown(f"id{number}", name, hashes, size, kind, shot, bool(draw.random() < 0.6)))
    groups = duplicate_groups(clips, rule)
    assert {group.kept: set(group.others) for group in groups} == by_hand(clips, rule)
    random.Random(seed).shuffle(clips)
    assert duplicate_groups(clips, rule) == groups


def test_among_thousands_no_copy_is_missed_and_nothing_else_is_found():
    draw = np.random.default_rng(0)
    clips = [Shown(f"c{n}", f"c{n:05d}", fresh(draw), 100) for n in range(6000)]
    copies = {}
    for number in range(300):
        source = clips[int(draw.integers(6000))]
        flips = [int(draw.integers(0, 7)) for _ in range(4)] + [int(draw.integers(20, 40))]
        draw.shuffle(flips)
        copies[f"d{number}"] = source.clip_id
        clips.append(Shown(f"d{number}", f"d{number}", changed(source.hashes, draw, flips), 50))
    found = {other: group.kept for group in duplicate_groups(clips, RULE) for other in group.others}
    assert found == copies


def test_thousands_of_equal_clips_cost_no_more_than_others():
    equal = [Shown(f"c{n}", f"{n:05d}", (1, 2, 3, 4, 5), n) for n in range(20_000)]
    (group,) = duplicate_groups(equal, RULE)
    assert group.kept == "c19999" and len(group.others) == 19_999
    flat = [Shown(f"c{n}", f"{n}", (0, 0, 0, 4, 5), n) for n in range(20_000)]
    assert duplicate_groups(flat, RULE) == []


def test_windows_of_one_shot_are_duplicates_only_where_they_stand_still():
    hashes = (1, 2, 3, 4, 5)
    for moves, shots in itertools.product((True, False), (("a", "a"), ("a", "b"))):
        pair = [Shown(f"c{n}", f"{n}", hashes, 1, "video", shot, moves) for n, shot in enumerate(shots)]
        assert bool(duplicate_groups(pair, RULE)) == (shots[0] != shots[1] or not moves)
