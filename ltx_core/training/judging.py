"""What held-out loss decides: the best step so far, an early stop, and whether the model overfits.

Design choices
- A judge sees numbers of evaluations alone, in their order, and they are equal in every process. So all
  processes decide alike, and a resumed run, which measures the step that it goes on from again, decides as an
  unbroken one did: an evaluation of a step that is known already changes nothing.
- The best step is the one with the lowest value, of those after a step: the base model is no checkpoint.
- `min_delta` is for stopping alone: a best by less than that is the best all the same.
- Overfitting is judged against the best evaluation, not between neighbours: a slow rise is one too.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ltx_core.store.disk import write_atomic
from ltx_core.training.judge_options import JudgeOptions

logger = logging.getLogger(__name__)

BEST = "best.json"
"""The best step so far, in a run's folder."""
OVERFIT_RISE = 0.02
"""Share by which the held-out loss lies above its best; fixed draws repeat to well below this."""
OVERFIT_EVALUATIONS = 3
"""Evaluations since that best, at least."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation.

    Attributes:
        step: finished steps.
        heldout: the judged value on held-out clips.
        train: the same on training clips; None where it was not measured.
    """

    step: int
    heldout: float
    train: float | None = None


@dataclass(frozen=True)
class Overfit:
    """Held-out loss has risen since its best while that of training clips fell.

    Attributes:
        best: step of the lowest held-out loss.
        step: the evaluation at which it was seen.
        heldout: relative change of the held-out loss since then.
        train: that of the training clips.
    """

    best: int
    step: int
    heldout: float
    train: float

    def sentence(self) -> str:
        """What it means, in words."""
        advice = "take the weights of that step (`checkpoints.publish: best`), train for fewer steps"
        if self.best == 0:
            advice = "the model was better before it was trained: lower `optimization.learning_rate`"
        return (
            f"overfitting: since step {self.best} the held-out loss has risen by {self.heldout:.1%} while "
            f"that of training clips has fallen by {-self.train:.1%}; {advice}, or add clips"
        )


def overfitting(series: Sequence[Evaluation]) -> Overfit | None:
    """Whether the last of some evaluations shows overfitting.

    The rule: the best held-out loss is at least `OVERFIT_EVALUATIONS` evaluations ago, the last one lies
    above it by more than `OVERFIT_RISE`, and the loss of training clips is lower than it was then.
    """
    known = [one for one in series if math.isfinite(one.heldout)]
    if not known:
        return None
    place, best = min(enumerate(known), key=lambda found: found[1].heldout)
    last = known[-1]
    if len(known) - 1 - place < OVERFIT_EVALUATIONS or best.train is None or last.train is None:
        return None
    if best.heldout <= 0 or best.train <= 0:
        return None
    rise, change = last.heldout / best.heldout - 1, last.train / best.train - 1
    if rise <= OVERFIT_RISE or change >= 0:
        return None
    return Overfit(best.step, last.step, rise, change)


def first_overfit(series: Sequence[Evaluation]) -> Overfit | None:
    """The first evaluation of a run that showed overfitting."""
    found = (overfitting(series[: end + 1]) for end in range(len(series)))
    return next((one for one in found if one is not None), None)


class Judge:
    """Keeps the evaluations of a run and what follows from them."""

    def __init__(
        self,
        options: JudgeOptions,
        event: Callable[..., None],
        tell: Callable[..., None] = logger.warning,
    ) -> None:
        """Take what records events by name and facts, and what tells people, as a logger does."""
        self.options, self._event, self._tell = options, event, tell
        self.series: list[Evaluation] = []
        self.best: Evaluation | None = None
        self.stopped: int | None = None
        """The step at which the run ends early."""
        self._gained: float | None = None
        """The value that the next one must lie below by `min_delta`."""
        self._since = 0
        """Evaluations since then."""
        self._before: Evaluation | None = None
        """The best one before this one."""
        self._told = False
        """Whether overfitting was told since the best step."""

    @property
    def kept(self) -> frozenset[int]:
        """Steps whose checkpoints stay beside the newest."""
        return frozenset() if self.best is None else frozenset({self.best.step})

    def after(self, step: int, measured: Mapping[str, float]) -> bool:
        """Take what was measured after `step` finished steps.

        Returns:
            Whether this is a new best step.
        """
        value = self.options.value(measured)
        if value is None or (self.series and step <= self.series[-1].step):
            return False
        found = Evaluation(step, value, self.options.value(measured, "train"))
        self.series.append(found)
        better = self._best(found)
        self._patience(found)
        self._overfit()
        return better

    def unsaved(self) -> None:
        """The best step could not be saved: the one before stays the best."""
        self.best = self._before

    def numbers(self) -> dict[str, Any]:
        """What was found so far, as JSON."""
        return {
            "judge": {
                "series": [[one.step, one.heldout, one.train] for one in self.series],
                "best": None if self.best is None else self.best.step,
                "stopped": self.stopped,
                "gained": self._gained,
                "since": self._since,
                "told": self._told,
            }
        }

    def restore(self, numbers: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's numbers; one of before there was a judge has none."""
        found = numbers.get("judge")
        if found is None:
            return
        self.series = [Evaluation(int(step), heldout, train) for step, heldout, train in found["series"]]
        self.best = next((one for one in self.series if one.step == found["best"]), None)
        self.stopped, self._gained = found["stopped"], found["gained"]
        self._since, self._told = int(found["since"]), bool(found["told"])

    def _best(self, found: Evaluation) -> bool:
        if found.step == 0 or not math.isfinite(found.heldout):
            return False
        if self.best is not None and found.heldout >= self.best.heldout:
            return False
        self._before, self.best, self._told = self.best, found, False
        self._event("best", step=found.step, value=found.heldout, metric=self.options.metric)
        return True

    def _patience(self, found: Evaluation) -> None:
        if found.step == 0:
            return
        below = self._gained is None or found.heldout < self._gained - self.options.min_delta
        if below and math.isfinite(found.heldout):
            self._gained, self._since = found.heldout, 0
            return
        self._since += 1
        patience = self.options.patience
        if patience is None or self._since < patience or self.stopped is not None:
            return
        self.stopped = found.step
        best = None if self.best is None else self.best.step
        self._event("early_stop", step=found.step, best=best, evaluations=self._since)
        self._tell(
            "stopped early at step %d: %d evaluations in a row did not lower the held-out loss by more than "
            "%g; the best step is %s",
            found.step,
            self._since,
            self.options.min_delta,
            best,
        )

    def _overfit(self) -> None:
        found = overfitting(self.series)
        if found is None or self._told:
            return
        self._told = True
        self._event("overfit", **asdict(found))
        self._tell("step %d: %s", found.step, found.sentence())


def write_best(folder: Path, judge: Judge, checkpoint: Path | None) -> None:
    """Write the best step so far into a run's folder; nothing known removes what an earlier try left.

    Args:
        folder: of the run.
        judge: what was found.
        checkpoint: of the best step; None: it is not kept.

    Raises:
        StoreError: when the disk is full, read-only or not permitted.
    """
    if judge.best is None:
        with contextlib.suppress(FileNotFoundError):
            (folder / BEST).unlink()
        return
    facts = {
        "step": judge.best.step,
        "metric": judge.options.metric,
        "value": judge.best.heldout,
        "train": judge.best.train,
        "base": next((one.heldout for one in judge.series if one.step == 0), None),
        "checkpoint": None if checkpoint is None else checkpoint.relative_to(folder).as_posix(),
    }
    write_atomic(folder / BEST, json.dumps(facts, indent=1).encode())


def read_best(folder: Path) -> dict[str, Any] | None:
    """What `write_best` wrote; None without it."""
    try:
        found: dict[str, Any] = json.loads((folder / BEST).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found


def best_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of a run's best step, where it is there."""
    found = read_best(folder)
    if found is None or found["checkpoint"] is None:
        return None
    path: Path = folder / found["checkpoint"]
    return path if path.is_dir() else None
