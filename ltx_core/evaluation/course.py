"""The evaluations of a training one after another: what they say of it, in words and as tables. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ltx_core.evaluation.rows import CLEAR_CHANGE, condition_title
from ltx_core.training.heldout_log import ALL, HeldoutRow, by_step, means
from ltx_core.training.judging import OVERFIT_EVALUATIONS, Evaluation, Overfit

MODALITIES = ("video", "audio")
GAP = 0.1
"""Share by which held-out clips may be worse than training clips, beyond that of the base, unmentioned."""


@dataclass(frozen=True)
class Course:
    """What was measured while a run trained.

    Attributes:
        rows: of all evaluations, in the order of the steps.
        series: the judged value of each.
        metric: "weighted", "video" or "audio".
        best: the step with the lowest value after a step; None without one.
        stopped: the step at which that ended the run early; None where it did all steps.
        overfit: the first sign of overfitting; None where there was none.
        published: whose weights the run gives, "last" or "best".
        patience: evaluations without a gain that end a run; None: never.
    """

    rows: tuple[HeldoutRow, ...] = ()
    series: tuple[Evaluation, ...] = ()
    metric: str = "weighted"
    best: int | None = None
    stopped: int | None = None
    overfit: Overfit | None = None
    published: str = "last"
    patience: int | None = None

    def value(self, step: int | None) -> float | None:
        """The judged value after `step`."""
        return next((one.heldout for one in self.series if one.step == step), None)


@dataclass(frozen=True)
class Map:
    """Change of the held-out loss since the first evaluation, by row and step.

    Attributes:
        modality: "video" or "audio".
        steps: of the evaluations.
        labels: the rows: noise levels with all conditions, then the mean without each condition.
        changes: rows of shares, one for each step; NaN where not measured.
    """

    modality: str
    steps: tuple[int, ...]
    labels: tuple[str, ...]
    changes: tuple[tuple[float, ...], ...]


def condition_words(condition: str) -> str:
    """A condition of the records for people: "without first frame (video)"."""
    if condition == ALL:
        return "all conditions"
    return f"without {condition_title(condition.removeprefix('without '))}"


def curves(course: Course) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """(step, mean loss) by modality and split: "heldout", "train"."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for step, rows in by_step(course.rows).items():
        for name, value in means(rows).items():
            split, modality = name.split("_")
            found.setdefault(modality, {}).setdefault(split, []).append((step, value))
    return {modality: found[modality] for modality in MODALITIES if modality in found}


def maps(course: Course) -> list[Map]:
    """One map for each modality that was measured more than once."""
    evaluations = by_step(row for row in course.rows if row.split == "heldout")
    if len(evaluations) < 2:
        return []
    found = []
    for modality in MODALITIES:
        cells = {step: _cells(rows, modality) for step, rows in evaluations.items()}
        first = next(iter(cells.values()))
        if first:
            changes = tuple(
                tuple(one.get(label, math.nan) / start - 1 if start else math.nan for one in cells.values())
                for label, start in first.items()
            )
            found.append(Map(modality, tuple(cells), tuple(first), changes))
    return found


def _cells(rows: Sequence[HeldoutRow], modality: str) -> dict[str, float]:
    """Loss by label: levels, then conditions left out."""
    own = [row for row in rows if row.modality == modality]
    levels = {row.level: row.loss for row in own if row.condition == ALL}
    found = {f"level {level:.3g}": loss for level, loss in sorted(levels.items())}
    conditions = dict.fromkeys(row.condition for row in own if row.condition != ALL)
    name = f"heldout_{modality}"
    return found | {condition_words(one): means(own, one)[name] for one in conditions}


def course_table(course: Course) -> list[dict[str, object]]:
    """Means over the levels before the first step, at the best and at the last, by modality and condition."""
    evaluations = by_step(course.rows)
    if not evaluations:
        return []
    steps = list(dict.fromkeys([min(evaluations), course.best or max(evaluations), max(evaluations)]))
    keys = dict.fromkeys((row.modality, row.condition, row.split) for row in course.rows)
    return [
        {
            "modality": modality,
            "conditions": condition_words(condition),
            "clips": "held out" if split == "heldout" else "training",
            **{f"step {step}": _mean(evaluations[step], modality, condition, split) for step in steps},
        }
        for modality, condition, split in sorted(keys, key=lambda key: (MODALITIES.index(key[0]), key[1:]))
    ]


def _mean(rows: Sequence[HeldoutRow], modality: str, condition: str, split: str) -> float | None:
    return means(rows, condition).get(f"{split}_{modality}")


def sentences(course: Course) -> list[str]:
    """What the evaluations say: the best step, why the run ended, overfitting, the gap to training clips."""
    found = [*_best(course), *_end(course), _overfit(course)]
    return [sentence for sentence in (*found, _gap(course)) if sentence]


def warnings(course: Course) -> list[str]:
    """What a reader must know before they trust the run's weights."""
    found = []
    if course.overfit is not None:
        found.append(f"Signs of {course.overfit.sentence()}.")
    last = course.series[-1].step if course.series else None
    value, best = course.value(last), course.value(course.best)
    worse = value is not None and best is not None and value > best * (1 + CLEAR_CHANGE)
    if worse and course.published == "last" and course.overfit is None:
        found.append(
            f"The last step is not the best: step {course.best} has a held-out loss of {best:.3f}, the last "
            f"one {value:.3f}. `checkpoints.publish: best` takes that step's weights."
        )
    return found


def _best(course: Course) -> list[str]:
    value = course.value(course.best)
    if value is None:
        return []
    kind = f"held-out loss {value:.3f}"
    if course.metric != "weighted":
        kind = f"held-out {course.metric} loss {value:.3f}"
    elif len(curves(course)) > 1:
        kind += " (the modalities summed by their loss weights)"
    base = next((one.heldout for one in course.series if one.step == 0), None)
    before = "" if base is None else f"; before the first step it was {base:.3f}"
    taken = "the best step" if course.published == "best" else "the last step"
    return [f"Best step: {course.best}, {kind}{before}. The run's weights are those of {taken}."]


def _end(course: Course) -> list[str]:
    if course.stopped is not None:
        end = f"The run ended early at step {course.stopped}"
        return [f"{end}: {course.patience} evaluations in a row gave no gain."]
    return ["The run did all of its steps."] if course.series else []


def _overfit(course: Course) -> str:
    if course.overfit is not None:
        return f"Signs of {course.overfit.sentence()}."
    if len(course.series) <= OVERFIT_EVALUATIONS:
        return "Too few evaluations to tell whether it overfits." if course.series else ""
    return "No sign of overfitting: the held-out loss did not rise while that of training clips fell."


def _gap(course: Course) -> str:
    """How much better training clips became than held-out ones."""
    known = [one for one in course.series if one.train is not None and math.isfinite(one.heldout)]
    if len(known) < 2 or not known[0].train or not known[-1].train:
        return ""
    first, last = (one.heldout / one.train - 1 for one in (known[0], known[-1]) if one.train)
    if last - first <= GAP:
        return ""
    return (
        f"The held-out loss is now {_beside(last)} that of training clips, and was {_beside(first)} it at "
        "the first evaluation: more was learned of the training clips than of others of their kind."
    )


def _beside(share: float) -> str:
    if round(share, 2) == 0:
        return "equal to"
    return f"{abs(share):.0%} {'above' if share > 0 else 'below'}"


def as_columns(
    found: Mapping[str, Sequence[tuple[float, float]]],
) -> dict[str, Sequence[tuple[float, float]]]:
    """Curves by the names under which they are drawn."""
    names = {"heldout": "held out", "train": "training clips"}
    return {names[split]: points for split, points in found.items()}
