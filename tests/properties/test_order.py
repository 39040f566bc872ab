"""The order of samples for any set of buckets, batch size, share, seed and division of the work."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_core.training.counts import Share
from ltx_core.training.draws import Draws
from ltx_core.training.options import OptimizationOptions
from ltx_core.training.order import Order

NAMES = ["64x64x9", "64x32x9", "32x64x17"]
BUCKETS = st.dictionaries(st.text(max_size=4), st.sampled_from(NAMES), min_size=1)
SEEDS = st.integers(0, 2**31)
SIZES = st.one_of(st.integers(1, 6), st.fixed_dictionaries({name: st.integers(1, 6) for name in NAMES}))
FILLS = st.sampled_from(["repeat", "short"])
SHARES = st.sampled_from([(1, 1.0), (2, 1.0), (3, 1.0), (1, 0.5), (1, 0.3), (2, 0.75), (5, 0.1)])


@given(BUCKETS, SIZES, SEEDS, st.integers(0, 3))
def test_an_epoch_shows_every_sample_in_batches_of_one_bucket(buckets, size, seed, epoch):
    order = Order(buckets, size, seed)
    batches = order.epoch(epoch)
    assert len(batches) == order.steps_per_epoch
    seen = Counter(name for batch in batches for name in batch)
    assert seen.keys() == buckets.keys()
    for batch in batches:
        (bucket,) = {buckets[name] for name in batch}
        assert len(batch) == order.sizes[bucket]
    for bucket in set(buckets.values()):
        counts = [seen[name] for name in buckets if buckets[name] == bucket]
        assert max(counts) - min(counts) <= 1, "filling up is even"


@st.composite
def shared(draw):
    """Buckets, and the share of each clip."""
    buckets = draw(BUCKETS)
    return buckets, {name: Share.of(*draw(SHARES)) for name in sorted(buckets)}


@given(shared(), SIZES, SEEDS)
def test_without_filling_up_every_sample_comes_exactly_as_often_as_its_share_says(drawn, size, seed):
    buckets, shares = drawn
    order = Order(buckets, size, seed, shares, "short")
    epochs, seen, steps = 20, Counter(), 0
    for number in range(epochs):
        batches = order.epoch(number)
        assert len(batches) == order.steps_in(number)
        for batch in batches:
            assert order.batch_at(steps) == batch
            assert order.epoch_of(steps) == number
            assert 1 <= len(batch) <= order.sizes[buckets[batch[0]]]
            assert len({buckets[name] for name in batch}) == 1
            steps += 1
        seen.update(name for batch in batches for name in batch)
        for name, share in shares.items():
            missed = abs(seen[name] - share.value * (number + 1))
            assert missed < 1 if share.value.denominator > 1 else missed == 0


@given(shared(), st.integers(1, 4), SEEDS, st.integers(0, 5))
def test_filling_up_only_adds(drawn, size, seed, epoch):
    buckets, shares = drawn
    short, full = (Order(buckets, size, seed, shares, fill) for fill in ("short", "repeat"))
    assert short.steps_in(epoch) == full.steps_in(epoch)
    for exact, filled in zip(short.epoch(epoch), full.epoch(epoch), strict=True):
        assert filled[: len(exact)] == exact
        assert len(filled) == size


@given(shared(), SEEDS, st.sampled_from([(1, 4), (2, 2), (4, 1), (3, 2), (7, 1)]), st.integers(0, 20), FILLS)
def test_dividing_the_work_changes_no_batch(drawn, seed, division, step, fill):
    buckets, shares = drawn
    world, count = division
    order = Order(buckets, 4, seed, shares, fill)
    each = [order.portions(step, count, rank, world) for rank in range(world)]
    assert all(1 <= len(portions) <= count for portions in each), "every process takes part"
    parts = [part for portions in each for part in portions if not part.idle]
    same = [order.portions(step, count, rank, world, all_passes=True) for rank in range(world)]
    assert {len(portions) for portions in same} == {count}, "who borrows weights is in the same pass"
    assert [part for portions in same for part in portions if not part.idle] == parts
    assert tuple(name for part in parts for name in part.ids) == order.batch_at(step)
    lengths = [sum(len(part.ids) for part in portions if not part.idle) for portions in each]
    assert max(lengths) - min(lengths) <= count
    names = [name for part in parts for name in part.names]
    assert len(set(names)) == len(names), "each sample of a step has draws of its own"
    (whole,) = order.portions(step, 1)
    assert whole.names == tuple(names)


@given(shared(), SEEDS, st.integers(0, 20))
def test_the_same_samples_per_step_give_the_same_steps_on_one_two_and_four_processes(drawn, seed, step):
    buckets, shares = drawn
    tokens = {"64x64x9": 48, "64x32x9": 24, "32x64x17": 40}
    options = OptimizationOptions(batch_size=3, batch_tokens=100)
    assert [options.batch_of(tokens[name]) for name in NAMES] == [2, 3, 2]
    sizes = {name: 4 * options.batch_of(tokens[name]) for name in NAMES}
    order = Order(buckets, sizes, seed, shares)
    for world, passes in ((1, 4), (2, 2), (4, 1)):
        portions = [p for rank in range(world) for p in order.portions(step, passes, rank, world)]
        assert [len(p.ids) for p in portions] == [options.batch_of(tokens[buckets[portions[0].ids[0]]])] * 4
        assert tuple(name for p in portions for name in p.ids) == order.batch_at(step)


@given(shared(), st.integers(1, 4), SEEDS, FILLS)
@settings(max_examples=50)
def test_listing_and_history_change_nothing(drawn, size, seed, fill):
    buckets, shares = drawn
    steps = range(3 * max(1, Order(buckets, size, seed).steps_per_epoch))
    forward = Order(buckets, size, seed, shares, fill)
    listed_backwards = Order(dict(reversed(buckets.items())), size, seed, shares, fill)
    run = [forward.batch_at(step) for step in steps]
    assert [listed_backwards.batch_at(step) for step in reversed(steps)] == run[::-1]


def test_epochs_and_seeds_differ():
    buckets = {str(number): "one" for number in range(20)}
    order = Order(buckets, 4, 1)
    assert order.epoch(0) != order.epoch(1)
    assert order.epoch(0) != Order(buckets, 4, 2).epoch(0)


def test_an_order_of_before_shares_and_budgets_is_as_it_was():
    buckets = {f"clip {number}": "wide" if number % 3 else "tall" for number in range(7)}
    assert [[name[-1] for name in batch] for batch in Order(buckets, 2, 42).epoch(1)] == [
        ["1", "4"],
        ["3", "6"],
        ["5", "2"],
        ["6", "0"],
    ]


def test_a_set_of_a_quarter_is_seen_once_in_four_epochs_and_evenly():
    buckets = {f"{kind}{number}": "one" for kind in "ab" for number in range(40)}
    shares = {name: Share.of(1, 0.25) for name in buckets if name.startswith("b")}
    order = Order(buckets, 4, 3, shares, "short")
    assert [order.steps_in(number) for number in range(8)] == [13] * 8
    seen = [[name for batch in order.epoch(number) for name in batch] for number in range(4)]
    assert [sum(name.startswith("b") for name in names) for names in seen] == [10, 10, 10, 10]
    assert Counter(name for names in seen for name in names if name.startswith("b")) == dict.fromkeys(
        shares, 1
    )


def test_repetitions_lie_apart():
    buckets = {str(number): "one" for number in range(8)}
    order = Order(buckets, 4, 0, dict.fromkeys(buckets, Share(Fraction(6))))
    assert all(len(set(batch)) == 4 for batch in order.epoch(0))


def test_what_cannot_be_ordered_is_refused():
    with pytest.raises(ValueError, match="no sample to train on"):
        Order({}, 1, 0)
    with pytest.raises(ValueError, match="at least 1"):
        Order({"a": "one", "b": "two"}, {"one": 1, "two": 0}, 0)
    with pytest.raises(ValueError, match="no sample would ever come"):
        Order({"a": "one"}, 1, 0, {"a": Share.of(0, 1)})
    with pytest.raises(ValueError, match="finite"):
        Share.of(1, float("nan"))


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.lists(st.text(), min_size=1, max_size=3, unique=True))
def test_draws_depend_on_their_names_alone(seed, step, samples):
    draws = Draws(seed, step)
    noise = draws.noise("video", samples, 3, 2)
    for place, sample in enumerate(samples):
        assert (Draws(seed, step).noise("video", [sample], 3, 2)[0] == noise[place]).all()
        assert (draws.noise("audio", [sample], 3, 2)[0] != noise[place]).any()
    coins = draws.coins("video", 0, samples)
    assert ((coins >= 0) & (coins < 1)).all()
    assert draws.levels("video", samples).shape == (3, len(samples))
