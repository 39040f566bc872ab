"""The order of samples as a function of (seed, epoch): every batch holds samples of one bucket.

Design choices
- Shuffling sorts by a digest of (seed, epoch, sample): no state, independent of the order in which samples
  are listed, equal in every process and version of Python.
- A batch here is that of one optimizer step over all processes and accumulation steps. Processes and forward
  passes take slices of it, so the sequence of batches is the same however the work is divided.
- Nothing is dropped: a bucket's last batch is filled up with samples of the same bucket. A bucket with fewer
  samples than a batch holds repeats them, each time with draws of its own.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Portion:
    """Samples of one forward pass.

    Attributes:
        ids: B clip ids.
        names: B names for draws: the id, or "id#n" for its n-th repetition within the step.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]


class Order:
    """Batches of `size` samples, for every step of a run."""

    def __init__(self, buckets: Mapping[str, str], size: int, seed: int) -> None:
        """Take the samples.

        Args:
            buckets: clip id -> bucket, for all training clips.
            size: samples of one optimizer step: batch size x accumulation x processes.
            seed: of the shuffle.

        Raises:
            ValueError: without a sample, or for a size below 1.
        """
        if not buckets:
            raise ValueError("there is no sample to train on")
        if size < 1:
            raise ValueError(f"a step of {size} samples; it needs at least 1")
        self.size = size
        self.seed = seed
        groups: dict[str, list[str]] = {}
        for name, bucket in sorted(buckets.items()):
            groups.setdefault(bucket, []).append(name)
        self.groups = {bucket: tuple(groups[bucket]) for bucket in sorted(groups)}
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in which every sample is seen at least once."""
        return sum(-(-len(ids) // self.size) for ids in self.groups.values())

    def epoch_of(self, step: int) -> int:
        """The epoch, from 0, that optimizer step `step`, from 0, belongs to."""
        return step // self.steps_per_epoch

    def epoch(self, number: int) -> tuple[tuple[str, ...], ...]:
        """All batches of one epoch, each of `size` ids of one bucket."""
        return self._epoch(number)

    def batch_at(self, step: int) -> tuple[str, ...]:
        """The ids of optimizer step `step`, over all processes."""
        return self.epoch(self.epoch_of(step))[step % self.steps_per_epoch]

    def portions(self, step: int, count: int, rank: int = 0, world: int = 1) -> list[Portion]:
        """The `count` forward passes of process `rank` of `world` in optimizer step `step`.

        Raises:
            ValueError: when the batch cannot be cut into `count * world` equal parts.
        """
        if self.size % (count * world):
            raise ValueError(
                f"{self.size} samples cannot be cut into {count} forward passes on {world} processes"
            )
        ids = self.batch_at(step)
        names = repetition_names(ids)
        length = self.size // (count * world)
        starts = range(rank * count * length, (rank + 1) * count * length, length)
        return [Portion(ids[start : start + length], names[start : start + length]) for start in starts]

    def _shuffled(self, number: int) -> tuple[tuple[str, ...], ...]:
        batches: list[tuple[str, ...]] = []
        for bucket, members in self.groups.items():
            ids = self._sorted(members, number, "sample", bucket)
            count = -(-len(ids) // self.size)
            filled = [ids[place % len(ids)] for place in range(count * self.size)]
            batches += [tuple(filled[i * self.size : (i + 1) * self.size]) for i in range(count)]
        places = self._sorted([str(place) for place in range(len(batches))], number, "batch")
        return tuple(batches[int(place)] for place in places)

    def _sorted(self, names: Iterable[str], epoch: int, *purpose: str) -> list[str]:
        prefix = "\0".join([str(self.seed), str(epoch), *purpose]).encode("utf-8", "surrogatepass")

        def key(name: str) -> tuple[bytes, str]:
            data = prefix + b"\0" + name.encode("utf-8", "surrogatepass")
            return hashlib.blake2b(data, digest_size=16).digest(), name

        return sorted(names, key=key)


def repetition_names(ids: Sequence[str]) -> tuple[str, ...]:
    """The ids, with "#1", "#2", … behind the repetitions of one."""
    seen: Counter[str] = Counter()
    names = []
    for name in ids:
        names.append(f"{name}#{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return tuple(names)
