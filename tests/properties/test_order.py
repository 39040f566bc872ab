"""The order of samples for any set of buckets, batch size, seed and division of the work."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ltx_core.training.draws import Draws
from ltx_core.training.order import Order

BUCKETS = st.dictionaries(
    st.text(max_size=4), st.sampled_from(["64x64x9", "64x32x9", "32x64x17"]), min_size=1
)
SEEDS = st.integers(0, 2**31)


@given(BUCKETS, st.integers(1, 6), SEEDS, st.integers(0, 3))
def test_an_epoch_shows_every_sample_in_batches_of_one_bucket(buckets, size, seed, epoch):
    order = Order(buckets, size, seed)
    batches = order.epoch(epoch)
    assert len(batches) == order.steps_per_epoch
    seen = Counter(name for batch in batches for name in batch)
    assert seen.keys() == buckets.keys()
    for batch in batches:
        assert len(batch) == size
        assert len({buckets[name] for name in batch}) == 1
    for bucket in set(buckets.values()):
        counts = [seen[name] for name in buckets if buckets[name] == bucket]
        assert max(counts) - min(counts) <= 1, "filling up is even"


@given(BUCKETS, SEEDS, st.sampled_from([(1, 4), (2, 2), (4, 1), (1, 1)]), st.integers(0, 20))
def test_dividing_the_work_changes_no_batch(buckets, seed, division, step):
    world, count = division
    order = Order(buckets, 4, seed)
    parts = [part for rank in range(world) for part in order.portions(step, count, rank, world)]
    assert tuple(name for part in parts for name in part.ids) == order.batch_at(step)
    names = [name for part in parts for name in part.names]
    assert len(set(names)) == len(names), "each sample of a step has draws of its own"
    (whole,) = order.portions(step, 1)
    assert whole.names == tuple(names)


@given(BUCKETS, st.integers(1, 4), SEEDS)
def test_listing_and_history_change_nothing(buckets, size, seed):
    steps = range(3 * Order(buckets, size, seed).steps_per_epoch)
    forward = Order(buckets, size, seed)
    listed_backwards = Order(dict(reversed(buckets.items())), size, seed)
    run = [forward.batch_at(step) for step in steps]
    assert [listed_backwards.batch_at(step) for step in reversed(steps)] == run[::-1]


def test_epochs_and_seeds_differ():
    buckets = {str(number): "one" for number in range(20)}
    order = Order(buckets, 4, 1)
    assert order.epoch(0) != order.epoch(1)
    assert order.epoch(0) != Order(buckets, 4, 2).epoch(0)


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
