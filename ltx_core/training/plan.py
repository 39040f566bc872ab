"""What a training shall do and what it works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ltx_core.assemble import Batch
from ltx_core.training.checkpoint import Export
from ltx_core.training.counts import Share
from ltx_core.training.judge_options import JudgeOptions
from ltx_core.training.options import CheckpointOptions, OptimizationOptions
from ltx_core.training.order import Order, make_order
from ltx_core.training.shortage import Shortage
from ltx_core.training.speed import Pace
from ltx_core.training.step import Assemble, Contexts, Predict, StepOptions
from ltx_core.training.tracker_options import Tracking


@dataclass(frozen=True)
class Plan:
    """What a training shall do.

    Attributes:
        folder: of the run.
        buckets: clip id -> bucket, the training clips.
        tokens: bucket -> tokens of one of its samples, for `batch_tokens`; no other use.
        shares: clip id -> how often it comes in an epoch, where that is not once.
        prior: clips that only keep the model as it was; `optimization.prior_loss_weight` is theirs.
        optimization: steps, batches, learning rate.
        checkpoints: how often, how many.
        step: levels, weights, caption dropout.
        seed: of order and draws.
        identity: digest of all that the result depends on; a checkpoint of another identity is refused.
        ahead: steps whose data is read and prepared in advance; 0 reads when needed.
        tensorboard: whether TensorBoard's events are written.
        tracking: where records go besides.
        offload: whether the optimizer's moments leave the device while hooks work.
        changes: what is configured other than in an earlier run, for the log.
        judge: how evaluations are judged.
        pace: what its speed depends on and its result does not.
    """

    folder: Path
    buckets: Mapping[str, str]
    optimization: OptimizationOptions
    checkpoints: CheckpointOptions = field(default_factory=CheckpointOptions)
    step: StepOptions = field(default_factory=StepOptions)
    seed: int = 42
    identity: str = ""
    ahead: int = 2
    tensorboard: bool = True
    tracking: Tracking = field(default_factory=Tracking)
    offload: bool = False
    changes: tuple[Mapping[str, Any], ...] = ()
    judge: JudgeOptions = field(default_factory=JudgeOptions)
    pace: Pace = field(default_factory=Pace)
    tokens: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, Share] = field(default_factory=dict)
    prior: frozenset[str] = frozenset()

    def order(self, passes: int) -> Order:
        """The order of samples.

        Args:
            passes: forward passes of an optimizer step over all processes, each of `batch_of` samples.
        """
        return make_order(self.buckets, self.tokens, self.shares, self.optimization, self.seed, passes)

    def weights(self, ids: Sequence[str]) -> tuple[float, ...]:
        """Factors of the samples' losses."""
        return tuple(self.optimization.prior_loss_weight if name in self.prior else 1.0 for name in ids)


def _unknown(shortage: Shortage) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Parts:
    """What a training works with.

    Attributes:
        model: holds the trainable float32 parameters, on the accelerator's device.
        read: clip ids -> batch.
        assemble: batch -> tracks.
        contexts: clip ids -> text contexts.
        predict: the model's forward pass.
        export: writes the product into a folder.
        remedies: what would make a step fit that ran out of memory, as lines; () where that is not known.
    """

    model: nn.Module
    read: Callable[[Sequence[str]], Batch]
    assemble: Assemble
    contexts: Contexts
    predict: Predict
    export: Export
    remedies: Callable[[Shortage], Sequence[str]] = _unknown


@dataclass(frozen=True)
class Hook:
    """Something to do every `every` steps (None: never), at step 0 and after the last.

    `call` gets the number of finished steps, in every process, with the model in evaluation mode and without
    gradients; the numbers that it returns (`log.MEASURED`) are recorded. It is called again for the step that
    a run goes on from.
    """

    call: Callable[[int], Mapping[str, float] | None]
    every: int | None = None
    at_start: bool = False
    at_end: bool = False

    def due(self, step: int, steps: int) -> bool:
        """Whether it is called after `step` of `steps`."""
        if step == 0:
            return self.at_start
        return (step == steps and self.at_end) or (self.every is not None and step % self.every == 0)


@dataclass(frozen=True)
class Outcome:
    """A finished training.

    Attributes:
        step: finished steps.
        resumed_from: the step at which this process began.
        checkpoint: the last one.
        seconds: of this process.
        best: the checkpoint of the best step, where there is one.
    """

    step: int
    resumed_from: int
    checkpoint: Path
    seconds: float
    best: Path | None = None
