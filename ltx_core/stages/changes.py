"""What a changed config means for the runs of its name: harmless, another run, or not possible.

A change is harmless when the training's key does not depend on it, which is asked of the stage itself: each
field is changed alone in the earlier config, and the two keys' parts are compared. So there is no second list
of fields that could tell another story than the keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from ltx_core.config.changes import Difference, differences, with_field
from ltx_core.config.products import check_beginning
from ltx_core.config.root import Config
from ltx_core.config.runs import EarlierRun, earlier_runs
from ltx_core.errors import LtxError
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.context import Context
from ltx_core.stages.folder import run_folder
from ltx_core.stages.longer import shorter_run
from ltx_core.stages.report import base_fingerprint

HARMLESS, NEW_RUN, REFUSED, LONGER = "harmless", "needs a new run", "refused", "goes on"
STEPS = "optimization.steps"
MOST = 12
"""Fields that are listed."""
BEGINNING = ("model.", "lora.", "training_strategy.", "optimization.frozen")
"""Fields that weights to begin with must fit."""
OTHER_WEIGHTS = (
    "model.",
    "lora.kind",
    "lora.rank",
    "lora.layers",
    "lora.target_modules",
    "lora.use_dora",
    "lora.decompose",
)
"""Fields whose change leaves nothing to advise: the run's weights would not fit, or others are named."""


class _Training(Protocol):
    """The stage `train`."""

    def without_beginning(self, config: Config) -> Mapping[str, Any]:
        """What the run's key depends on, but for the weights that it begins with."""


@dataclass(frozen=True)
class Change:
    """A field that differs, what follows from that, and why; "" where it needs no word."""

    difference: Difference
    effect: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.difference}: {self.effect}{f' ({self.why})' if self.why else ''}"


@dataclass(frozen=True)
class Comparison:
    """A config beside that of an earlier run of its name.

    Attributes:
        run: the earlier one: this config's own where that has begun, else the newest of the name.
        steps: that it was to do.
        own: whether it is this config's own run, which goes on.
        longer: whether this config's run takes over the earlier one's steps.
        changes: field by field.
    """

    run: EarlierRun
    steps: int
    own: bool
    longer: bool
    changes: tuple[Change, ...]

    @property
    def lines(self) -> list[str]:
        """For a terminal; none where there is nothing to say."""
        if self.own and (not self.changes or self.run.step >= self.steps):
            return []
        where = f"run {self.run.folder.name} (step {self.run.step} of {self.steps})"
        told = [f"  {change}" for change in self.changes[:MOST]]
        if len(self.changes) > MOST:
            told.append(f"  and {len(self.changes) - MOST} more fields")
        return [f"{where}, and what has changed since:", *told, f"  {self._end()}"]

    @property
    def facts(self) -> list[dict[str, Any]]:
        """For a run's log."""
        return [
            {
                "run": self.run.folder.name,
                "field": change.difference.field,
                "before": change.difference.before,
                "after": change.difference.after,
                "effect": change.effect,
            }
            for change in self.changes
        ]

    def _end(self) -> str:
        step, name = self.run.step, self.run.folder.name
        if any(change.effect == REFUSED for change in self.changes):
            return "this config cannot run as it is"
        if self.own:
            return f"the run goes on from step {step}"
        if self.longer:
            return f"a longer run of the same kind: it takes over the {step} steps of {name}"
        if not any(change.effect == NEW_RUN for change in self.changes):
            return "the same settings; with the same clips the run goes on, with others a new one begins"
        new = f"a new run, in a folder of its own, from step 0; {name} stays"
        decisive = [change.difference for change in self.changes if change.effect == NEW_RUN]
        if len(decisive) == 1 and _is_cut(decisive[0], step):
            kept = "what it saved of earlier steps lies in its folder `checkpoints`"
            return f"{new}. To keep to that one: {STEPS}={self.steps}; {kept}"
        if any(change.difference.field.startswith(OTHER_WEIGHTS) for change in self.changes):
            return new
        return f"{new}. To begin with its weights: model.load_checkpoint=latest"


def _is_cut(found: Difference, done: int) -> bool:
    """Whether fewer steps are asked for than are done."""
    return found.field == STEPS and isinstance(found.after, int) and found.after < done


def training_section(context: Context, config: Config) -> Mapping[str, Any]:
    """What the key of a config's training depends on, but for the weights that it begins with."""
    return cast(_Training, context.registry["train"]).without_beginning(config)


def compare(context: Context) -> Comparison | None:
    """The config beside an earlier run of its name; None where there is none that can be read."""
    runs = earlier_runs(context.config)
    if not runs:
        return None
    own = _own(context, runs)
    # One that was stopped before its first checkpoint may not have taken the shorter run over wholly.
    shorter = None if own is not None and own.step else shorter_run(context, runs)
    own = own if shorter is None else None
    run = own or runs[0]
    before = run.config()
    if before is None:
        return None
    if shorter is not None:
        run, before = shorter, shorter.config() or before
    judge = _Judge(context, run, before, own is not None, shorter is not None)
    found = tuple(judge.change(each) for each in differences(before, context.config))
    return Comparison(run, before.optimization.steps, own is not None, shorter is not None, found)


def _own(context: Context, runs: list[EarlierRun]) -> EarlierRun | None:
    try:
        (item,) = context.items("train")
    except (NotReadyError, LtxError, OSError):
        return None
    folder = run_folder(context.config, item.key)
    return next((run for run in runs if run.folder == folder), None)


class _Judge:
    def __init__(self, context: Context, run: EarlierRun, before: Config, own: bool, longer: bool) -> None:
        self.context, self.run, self.before = context, run, before
        self.own, self.longer = own, longer
        self.refused = "" if own else _refused(context.config)

    def change(self, found: Difference) -> Change:
        """What follows from a field that differs."""
        if self.own or not self._decides(found):
            return Change(found, HARMLESS)
        if self.refused and found.field.startswith(BEGINNING):
            return Change(found, REFUSED, self.refused)
        if found.field == STEPS:
            if self.longer:
                return Change(found, LONGER, "the learning rate of the steps before is the same")
            if _is_cut(found, self.run.step):
                return Change(found, NEW_RUN, f"{self.run.step} steps are done already: a run is never cut")
            return Change(found, NEW_RUN, "the learning rate depends on it")
        return Change(found, NEW_RUN, "" if self._clips_known(found) else "where it changes the clips")

    def _decides(self, found: Difference) -> bool:
        """Whether the run's key depends on the field, or may do so."""
        name = found.field
        if name == "model.load_checkpoint":
            return True
        if name.startswith("model.") and name != "model.training_mode":
            return bool(self._base() != self.run.lineage.get("base_model_fingerprint"))
        if self._of_clips(found):
            return self._dataset() != self.run.lineage.get("dataset")
        # The key's parts with and without this change: in the earlier config, else in the later one.
        alone = with_field(self.before, found.field, found.after)
        one, other = (self.before, alone) if alone is not None else (None, self.context.config)
        one = one or with_field(self.context.config, found.field, found.before) or self.before
        return training_section(self.context, one) != training_section(self.context, other)

    def _of_clips(self, found: Difference) -> bool:
        name = found.field
        return name == "data.preprocessed_data_root" or (
            name.startswith("dataset.") and name != "dataset.trigger"
        )

    def _clips_known(self, found: Difference) -> bool:
        return not self._of_clips(found) or self._dataset() is not None

    def _dataset(self) -> str | None:
        try:
            ((_, row),) = self.context.results("dataset")
        except (NotReadyError, LtxError, OSError):
            return None
        return row.content_digest

    def _base(self) -> str | None:
        try:
            return base_fingerprint(self.context.info)
        except (LtxError, OSError):
            return None


def _refused(config: Config) -> str:
    """Why the weights to begin with do not fit this config, or ""."""
    try:
        check_beginning(config)
    except (LtxError, ValueError, OSError) as error:
        return str(error).splitlines()[0]
    return ""
