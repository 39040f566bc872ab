"""The held-out split: clips of one source never straddle, and neither side is empty."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import example, given
from hypothesis import strategies as st

from ltx_core.curation.split import split_by_source

clip_lists = st.lists(st.integers(1, 6), min_size=1, max_size=12).map(
    lambda counts: [(f"s{s}c{c}", f"s{s}") for s, count in enumerate(counts) for c in range(count)]
)


@example([("s0c0", "s0"), ("s0c1", "s0"), ("s0c2", "s0")], 0.875, 0)
@given(clip_lists, st.floats(0.05, 0.9), st.integers(0, 50))
def test_no_side_is_empty_and_sources_do_not_straddle(clips, fraction, seed):
    splits = split_by_source(clips, fraction, seed)
    assert list(splits) == [clip for clip, _ in clips]
    if len(clips) > 1:
        assert {"train", "heldout"} <= set(splits.values())
    by_source = defaultdict(list)
    for clip, source in clips:
        by_source[source].append(splits[clip])
    if all(len(set(found)) == 1 for found in by_source.values()):
        return
    # One side would have been empty: each source is one run of train, a gap, one run of held-out.
    for found in by_source.values():
        order = [["train", "gap", "heldout"].index(split) for split in found]
        assert order == sorted(order) and order.count(1) <= 1


def test_one_more_source_moves_no_clip():
    clips = [(f"{s}{c}", s) for s in "abcdefgh" for c in range(3)]
    before = split_by_source(clips, 0.3, 1)
    after = split_by_source([*clips, ("new", "new source")], 0.3, 1)
    assert {clip: after[clip] for clip in before} == before


def test_a_stated_split_wins():
    clips = [("a", "s"), ("b", "s"), ("c", "t")]
    splits = split_by_source(clips, 0.5, 0, {"a": "val", "b": "train", "c": "heldout"})
    assert splits == {"a": "heldout", "b": "train", "c": "heldout"}
