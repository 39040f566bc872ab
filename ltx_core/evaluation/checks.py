"""Checks that a condition is learned: limits on the effects that a run's evaluation found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from ltx_core.evaluation.rows import Effect

Value = Literal["right", "wrong", "followed", "withheld"]
NAMES: Mapping[str, str] = {
    "right": "own",
    "wrong": "another's",
    "followed": "another's, to that other",
    "withheld": "withheld",
}


@dataclass(frozen=True)
class Limit:
    """A limit on one value of an effect.

    Attributes:
        value: which one.
        op: how it must compare.
        number: with a number, or with that share of another value.
        of: the other value, or None.
    """

    value: Value
    op: Literal["<=", ">="]
    number: float
    of: Value | None = None

    def holds(self, effect: Effect) -> bool:
        """Whether the effect keeps it; one that was not measured does not."""
        mine: float | None = getattr(effect, self.value)
        other: float | None = 1.0 if self.of is None else getattr(effect, self.of)
        if mine is None or other is None:
            return False
        bound = self.number * other
        return mine <= bound if self.op == "<=" else mine >= bound

    def text(self) -> str:
        """The limit in words."""
        sign = "\N{LESS-THAN OR EQUAL TO}" if self.op == "<=" else "\N{GREATER-THAN OR EQUAL TO}"
        bound = (
            f"{self.number:g}"
            if self.of is None
            else f"{self.number:g} \N{MULTIPLICATION SIGN} {NAMES[self.of]}"
        )
        return f"{NAMES[self.value]} {sign} {bound}"


@dataclass(frozen=True)
class Check:
    """One claim about a mode.

    Attributes:
        condition: the effect's (`video.first_frame`, `audio`, ...).
        measure: the effect's.
        limits: all of them must hold.
    """

    condition: str
    measure: str
    limits: tuple[Limit, ...]


@dataclass(frozen=True)
class Outcome:
    """A check and what was found; `effect` is None where the run did not measure it."""

    check: Check
    effect: Effect | None

    @property
    def passed(self) -> bool:
        """Whether every limit holds."""
        found = self.effect
        return found is not None and all(limit.holds(found) for limit in self.check.limits)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        values = asdict(self.effect) if self.effect is not None else {}
        limits = [limit.text() for limit in self.check.limits]
        names = {"condition": self.check.condition, "measure": self.check.measure}
        return {**names, **values, "limits": limits, "passed": self.passed}


@dataclass(frozen=True)
class Checked:
    """A mode's run and its outcomes.

    Attributes:
        mode: its name.
        claim: what the checks show, in one sentence.
        setup: what was set beside the mode's shipped config.
        run: the run's folder.
        outcomes: one per check.
        pictures: PNGs by what they show.
    """

    mode: str
    claim: str
    setup: str
    run: str
    outcomes: tuple[Outcome, ...]
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every check of it passed."""
        return all(outcome.passed for outcome in self.outcomes)

    def as_dict(self) -> dict[str, object]:
        """For JSON, without pictures."""
        checks = [outcome.as_dict() for outcome in self.outcomes]
        named = {"mode": self.mode, "claim": self.claim, "setup": self.setup, "run": self.run}
        return {**named, "passed": self.passed, "checks": checks}


def outcomes(checks: Sequence[Check], effects: Sequence[Effect]) -> tuple[Outcome, ...]:
    """Each check with the effect that it is about."""
    found = {(effect.condition, effect.measure): effect for effect in effects}
    return tuple(Outcome(check, found.get((check.condition, check.measure))) for check in checks)
