"""How often each sample comes in an epoch.

Design choices
- A share says how often a sample comes on average: repeats x weight. A whole share comes so often in every
  epoch. With a fraction, a sample comes floor((e + 1) s + u) - floor(e s + u) times in epoch e, where u is
  its place among the samples of its share and bucket by a digest of the seed: after E epochs it came E s
  times, to within one. The sum over samples is as even: round(n (e + 1) s) - round(n e s) in epoch e.
- Whole numbers alone are used, so that rounding is the same on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

FINEST = 10**6
"""The largest denominator of a share: weights count to a millionth."""


@dataclass(frozen=True, order=True)
class Share:
    """How often a sample comes in an epoch, on average."""

    value: Fraction = Fraction(1)

    @classmethod
    def of(cls, repeats: int, weight: float) -> Share:
        """Of a source with `repeats` and `weight`.

        Raises:
            ValueError: for a number below 0 or one that is not finite.
        """
        if repeats < 0 or not 0 <= weight < float("inf"):
            raise ValueError(f"repeats {repeats} x weight {weight}: both must be 0 or more, and finite")
        return cls(repeats * Fraction(weight).limit_denominator(FINEST))


class Counts:
    """Of the samples of one bucket."""

    def __init__(self, names: Iterable[str], shares: Mapping[str, Share], seed: int) -> None:
        """Take the samples; one without a share comes once in every epoch."""
        once, alike = Share(), dict[Share, list[str]]()
        for name in sorted(names):
            alike.setdefault(shares.get(name, once), []).append(name)
        self._sets = [
            (share.value.numerator, share.value.denominator, _ranked(alike[share], share, seed))
            for share in sorted(alike)
        ]

    @property
    def constant(self) -> bool:
        """Whether every epoch has the same."""
        return all(below == 1 for _, below, _ in self._sets)

    @property
    def possible(self) -> bool:
        """Whether any sample ever comes."""
        return any(above for above, _, _ in self._sets)

    def total(self, epoch: int) -> int:
        """Samples of an epoch, each as often as it comes."""
        return sum(
            _rounded(len(names) * (epoch + 1) * above, below) - _rounded(len(names) * epoch * above, below)
            for above, below, names in self._sets
        )

    def of(self, epoch: int) -> dict[str, int]:
        """How often each sample comes in an epoch; those that do not come are left out."""
        found: dict[str, int] = {}
        for above, below, names in self._sets:
            if below == 1:
                found.update(dict.fromkeys(names, above) if above else {})
                continue
            count = len(names)
            whole = 2 * count * below
            start, stop = 2 * count * epoch * above, 2 * count * (epoch + 1) * above
            for place, name in enumerate(names):
                offset = (2 * place + 1) * below
                if times := (stop + offset) // whole - (start + offset) // whole:
                    found[name] = times
        return found


def _rounded(above: int, below: int) -> int:
    """above / below to the nearest whole number, halves up."""
    return (2 * above + below) // (2 * below)


def _ranked(names: Iterable[str], share: Share, seed: int) -> list[str]:
    """In the order of a digest, which says in which epochs a sample of a fraction comes."""
    if share.value.denominator == 1:
        return list(names)
    prefix = f"{seed}\0share\0".encode()

    def key(name: str) -> tuple[bytes, str]:
        data = prefix + name.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=16).digest(), name

    return sorted(names, key=key)
