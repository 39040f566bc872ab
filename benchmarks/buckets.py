"""Choosing buckets for 50,000 scenes, shuffling an epoch of 50,000 samples: seconds of a core."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from statistics import median

from benchmarks.measure import Result
from ltx_core.curation.buckets_auto import Limits, choose_buckets
from ltx_core.curation.buckets_held import Stretch
from ltx_core.curation.options.buckets import AutoBuckets
from ltx_core.training.counts import Share
from ltx_core.training.order import Order

SCENES, SAMPLES = 50_000, 50_000
SIZES = 3_000
"""Distinct sizes of pictures, as crops of borders leave them."""
CHOICE_LIMIT, SHUFFLE_LIMIT = 5.0, 1.0
"""Seconds."""


def buckets(rounds: int) -> list[Result]:
    """A choice for mixed footage, and an epoch with fractional shares."""
    footage, limits = _footage(), Limits(32, 32, 8, _tokens, lambda bucket: True, 1.25)
    samples = {f"{number:032x}": f"bucket {number % 12}" for number in range(SAMPLES)}
    shares = dict.fromkeys(samples, Share.of(2, 0.75))
    order = Order(samples, 8, 0, shares)
    epochs = iter(range(1, rounds + 1))
    return [
        _result(
            f"buckets of {SCENES:,} scenes of {SIZES:,} sizes",
            lambda: choose_buckets(footage, limits, AutoBuckets(keep_pixels=0.99)),
            CHOICE_LIMIT,
            rounds,
        ),
        _result(
            f"order of an epoch of {SAMPLES:,} samples",
            lambda: order.epoch(next(epochs)),
            SHUFFLE_LIMIT,
            rounds,
        ),
    ]


def _result(name: str, work: Callable[[], object], limit: float, rounds: int) -> Result:
    times = []
    for _ in range(rounds):
        began = time.process_time()  # one thread, and others use the machine too
        work()
        times.append(time.process_time() - began)
    found = median(times)
    return Result(name, "a limit", found / limit, f"{found:.2f} s", f"{limit:g} s", "≤ 1", found <= limit)


def _footage() -> Counter[Stretch]:
    drawn = random.Random(0)
    sizes = [(drawn.randrange(640, 3840, 2), drawn.randrange(480, 2160, 2)) for _ in range(SIZES)]
    frames = [max(2, int(24 * math.exp(drawn.gauss(1.5, 0.7)))) for _ in range(SCENES)]
    return Counter(Stretch(*drawn.choice(sizes), count) for count in frames)


def _tokens(bucket: object) -> int:
    del bucket
    return 0
