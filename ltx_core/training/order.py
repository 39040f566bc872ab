"""The order of samples as a function of (seed, epoch): every batch holds samples of one bucket.

Design choices
- Shuffling sorts by a digest of (seed, epoch, sample): no state, independent of the order in which samples
  are listed, equal in every process and version of Python.
- A batch here is that of one optimizer step over all processes and accumulation steps. Processes and forward
  passes take slices of it, so the sequence of batches is the same however the work is divided.
- How often a sample comes in an epoch is exact (`Counts`), and nothing is dropped. What is left of a bucket
  for its last batch is filled up with samples of the same bucket ("repeat"), each time with draws of its own,
  or is a smaller batch ("short").
- Repetitions of a sample are spread over its bucket's sequence, so that a batch holds one twice only where
  there is no other way.
"""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ltx_core.training.counts import Counts, Share
from ltx_core.training.options import Fill, OptimizationOptions

DIGEST_BYTES = 16


@dataclass(frozen=True)
class Portion:
    """Samples of one forward pass.

    Attributes:
        ids: B clip ids.
        names: B names for draws: the id, or "id#n" for its n-th repetition within the step.
        idle: whether they are there only because a process must take part: nothing is learnt of them.
        place: which slice of the step's batch it is, over all processes.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    idle: bool = False
    place: int = 0


class Order:
    """The batch of every step of a run."""

    def __init__(
        self,
        buckets: Mapping[str, str],
        size: int | Mapping[str, int],
        seed: int,
        shares: Mapping[str, Share] | None = None,
        fill: Fill = "repeat",
    ) -> None:
        """Take the samples.

        Args:
            buckets: clip id -> bucket, for all training clips.
            size: samples of one optimizer step: batch size x accumulation x processes; of all buckets, or
                of each.
            seed: of the shuffle.
            shares: how often a clip comes in an epoch, on average over epochs; once where it is not named.
            fill: what becomes of a bucket's last batch.

        Raises:
            ValueError: without a sample, for a size below 1, or where no sample would ever come.
        """
        if not buckets:
            raise ValueError("there is no sample to train on")
        groups: dict[str, list[str]] = {}
        for name, bucket in sorted(buckets.items()):
            groups.setdefault(bucket, []).append(name)
        self.groups = {bucket: tuple(groups[bucket]) for bucket in sorted(groups)}
        self.sizes = {bucket: size if isinstance(size, int) else size[bucket] for bucket in self.groups}
        if min(self.sizes.values()) < 1:
            raise ValueError(f"a step of {min(self.sizes.values())} samples; it needs at least 1")
        self.seed, self.fill = seed, fill
        self.counts = {bucket: Counts(names, shares or {}, seed) for bucket, names in self.groups.items()}
        self.constant = all(counts.constant for counts in self.counts.values())
        self._lock = threading.Lock()  # batches are read ahead in a thread
        self._starts = [0]
        """First steps of the epochs that were asked for, and the one after them."""
        if not any(counts.possible for counts in self.counts.values()):
            raise ValueError("no sample would ever come: all their shares are 0")
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of the first epoch; of every one, unless a share is a fraction."""
        return self.steps_in(0)

    def steps_in(self, number: int) -> int:
        """Optimizer steps of an epoch, in which every sample comes as often as it shall."""
        return sum(self.steps_of(bucket, number) for bucket in self.groups)

    def steps_of(self, bucket: str, number: int) -> int:
        """Optimizer steps of one bucket in an epoch."""
        return -(-self.counts[bucket].total(number) // self.sizes[bucket])

    def epoch_of(self, step: int) -> int:
        """The epoch, from 0, that optimizer step `step`, from 0, belongs to."""
        return self._place(step)[0]

    def epoch(self, number: int) -> tuple[tuple[str, ...], ...]:
        """All batches of one epoch, each of ids of one bucket."""
        return self._epoch(number)

    def batch_at(self, step: int) -> tuple[str, ...]:
        """The ids of optimizer step `step`, over all processes."""
        number, place = self._place(step)
        return self.epoch(number)[place]

    def portions(
        self, step: int, count: int, rank: int = 0, world: int = 1, *, all_passes: bool = False
    ) -> list[Portion]:
        """The forward passes, `count` at the most, of process `rank` of `world` in optimizer step `step`.

        The batch is cut into `count * world` slices that differ by one sample at the most. A process without
        any takes part idly: in a smaller batch, or where there are more processes than samples.

        Args:
            step: from 0.
            count: forward passes of a process.
            rank: of the process.
            world: processes.
            all_passes: every process makes all of its passes, idly where a slice is empty: processes that
                borrow weights of one another must be in the same pass.
        """
        ids = self.batch_at(step)
        names, slices = repetition_names(ids), count * world
        found = []
        for place in range(rank * count, (rank + 1) * count):
            start, stop = (len(ids) * edge // slices for edge in (place, place + 1))
            if start < stop:
                found.append(Portion(ids[start:stop], names[start:stop], place=place))
            elif all_passes:
                found.append(Portion(ids[:1], names[:1], idle=True, place=place))
        return found or [Portion(ids[:1], names[:1], idle=True, place=rank * count)]

    def _place(self, step: int) -> tuple[int, int]:
        """(epoch, batch in it) of a step; an epoch in which no sample comes has no step."""
        if self.constant:
            return divmod(step, self.steps_per_epoch)
        with self._lock:
            while self._starts[-1] <= step:
                self._starts.append(self._starts[-1] + self.steps_in(len(self._starts) - 1))
        number = bisect_right(self._starts, step) - 1
        return number, step - self._starts[number]

    def _shuffled(self, number: int) -> tuple[tuple[str, ...], ...]:
        batches: list[tuple[str, ...]] = []
        for bucket, counts in self.counts.items():
            ids = self._sequence(counts.of(number), number, bucket)
            size = self.sizes[bucket]
            if self.fill == "repeat" and ids:
                ids += [ids[place % len(ids)] for place in range(-len(ids) % size)]
            batches += [tuple(ids[start : start + size]) for start in range(0, len(ids), size)]
        places = self._sorted([str(place) for place in range(len(batches))], number, "batch")
        return tuple(batches[int(place)] for place in places)

    def _sequence(self, counts: Mapping[str, int], epoch: int, bucket: str) -> list[str]:
        """A bucket's samples in the order of an epoch, each as often as it comes."""
        if set(counts.values()) <= {1}:
            return self._sorted(counts, epoch, "sample", bucket)
        key = self._keys(epoch, "sample", bucket)
        places: list[tuple[int, str]] = []
        for name, times in counts.items():
            drawn = int.from_bytes(key(name), "big")
            places += [((again << 8 * DIGEST_BYTES | drawn) // times, name) for again in range(times)]
        return [name for _, name in sorted(places)]

    def _sorted(self, names: Iterable[str], epoch: int, *purpose: str) -> list[str]:
        key = self._keys(epoch, *purpose)
        return sorted(names, key=lambda name: (key(name), name))

    def _keys(self, epoch: int, *purpose: str) -> _Keys:
        return _Keys("\0".join([str(self.seed), str(epoch), *purpose]))


def make_order(
    buckets: Mapping[str, str],
    tokens: Mapping[str, int],
    shares: Mapping[str, Share],
    options: OptimizationOptions,
    seed: int,
    passes: int,
) -> Order:
    """The order of a training.

    Args:
        buckets: clip id -> bucket.
        tokens: bucket -> tokens of one of its samples; needed for `batch_tokens`.
        shares: clip id -> how often it comes in an epoch, where that is not once.
        options: batch sizes, and what becomes of a bucket's last batch.
        seed: of the shuffle.
        passes: forward passes of an optimizer step over all processes.
    """
    sizes = {name: passes * options.batch_of(tokens.get(name, 0)) for name in set(buckets.values())}
    return Order(buckets, sizes, seed, shares, options.fill)


class _Keys:
    """Digests of names for one purpose."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix.encode("utf-8", "surrogatepass") + b"\0"

    def __call__(self, name: str) -> bytes:
        data = self.prefix + name.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def repetition_names(ids: Sequence[str]) -> tuple[str, ...]:
    """The ids, with "#1", "#2", … behind the repetitions of one."""
    seen: Counter[str] = Counter()
    names = []
    for name in ids:
        names.append(f"{name}#{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return tuple(names)
