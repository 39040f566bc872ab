"""The training loop: steps, optimizer, records, checkpoints, signals.

Design choices
- A step is an optimizer step, everywhere: schedules, intervals, draws and records count nothing else.
- Accelerate gives device, autocast, loss scaling and communication. Gradients are summed over processes
  once per step: our forward pass runs submodules, which a wrapper around the model would not notice.
- All inputs of a step are known before its first forward pass, so that the loss is divided by the samples
  of the whole step. A stop between two passes loses that step only.
- A step's batch is that of the processes that the run began with. Resumed with others, they share its samples
  as evenly as can be, so that the order of samples goes on.
- A step whose loss or gradient is not finite changes nothing and is recorded; five in a row end the run.
- Checkpoints come before hooks (samples, held-out loss), so that what fails there costs no training. A
  resumed run calls the hooks due at its step again: a hook returns at once when its result is there.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from ltx_core.conditions.base import Modality
from ltx_core.training.checkpoint import checkpoint_name
from ltx_core.training.culprits import culprits
from ltx_core.training.data import Ahead
from ltx_core.training.draws import Draws
from ltx_core.training.interrupts import Interrupted, Interrupts, exclusive
from ltx_core.training.learner import Learner
from ltx_core.training.log import RunLog
from ltx_core.training.plan import Hook, Outcome, Parts, Plan
from ltx_core.training.progress import Meter, Report
from ltx_core.training.saving import CHECKPOINTS, Saver
from ltx_core.training.step import Prepared, StepResult, count_samples, prepare, training_step
from ltx_core.training.trackers.choose import openings
from ltx_core.training.update import any_process, loss_tables, read, seed_model, step_losses, summed_counts
from ltx_core.training.watch import MAX_BAD_STEPS, TrainingError, Watch, out_of_memory

logger = logging.getLogger(__name__)

__all__ = ["CHECKPOINTS", "MAX_BAD_STEPS", "TrainingError", "train"]


def train(
    plan: Plan,
    parts: Parts,
    accelerator: Accelerator,
    hooks: Sequence[Hook] = (),
    report: Report | None = None,
) -> Outcome:
    """Train to the end, from the newest checkpoint where there is one.

    Raises:
        Interrupted: after SIGTERM or SIGINT, when all is saved (a SystemExit with code 75).
        TrainingError: when losses stay non-finite or the GPU's memory does not suffice.
        LtxError: when another process trains in the folder, or its checkpoint is of another identity.
        StoreError: when the folder cannot be written.
    """
    held = exclusive(plan.folder) if accelerator.is_main_process else contextlib.nullcontext()
    with held, Interrupts() as interrupts:
        return _Training(plan, parts, accelerator, interrupts).run(hooks, report)


class _Training:
    def __init__(self, plan: Plan, parts: Parts, accelerator: Accelerator, interrupts: Interrupts) -> None:
        options = plan.optimization
        self.plan, self.parts, self.accelerator, self.interrupts = plan, parts, accelerator, interrupts
        self.whole = options.gradient_accumulation_steps * accelerator.num_processes
        """Forward passes of a step over all processes, as the run began with."""
        self.learner = Learner(parts.model, options, accelerator)
        self.meter = Meter(options.steps)
        self.watch = Watch(self._event, options.max_bad_steps)
        self.saver = Saver(plan, parts, self.learner, accelerator, self._numbers)
        self.log: RunLog | None = None
        self.done = self._resume()
        self.passes = -(-self.whole // accelerator.num_processes)
        self.order = plan.order(self.whole)
        if accelerator.is_main_process:
            trackers = openings(plan.folder, plan.tracking, board=plan.tensorboard)
            self.log = RunLog(plan.folder, self.done, trackers)
            self.meter.begin(self.log.rows)

    def run(self, hooks: Sequence[Hook], report: Report | None) -> Outcome:
        """All remaining steps."""
        began, first, steps = time.monotonic(), self.done, self.plan.optimization.steps
        self._begun(first)
        try:
            self._call(hooks, report)
            with Ahead(self._prepare, range(first, steps), self.plan.ahead) as ahead:
                while self.done < steps:
                    row = self._step(ahead)
                    if report is not None and self.log is not None:
                        report(self.meter.after(row))
                    if self.saver.due(self.done):
                        self._save()
                    self._call(hooks, report)
        except Interrupted:
            self._save()
            self._event("interrupted", step=self.done)
            logger.warning("stopped and saved at step %d; the same command goes on from there", self.done)
            raise
        finally:
            if self.log is not None:
                self.log.close(finished=self.done >= steps)
        seconds = time.monotonic() - began
        self._event("finished", step=self.done, seconds=round(seconds, 3), peak_bytes=_peak_bytes())
        return Outcome(self.done, first, self.saver.root / checkpoint_name(self.done), seconds)

    def _prepare(self, step: int) -> list[Prepared]:
        """This process's forward passes of a step; runs in the reader's thread."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        draws = Draws(self.plan.seed, step)
        found = []
        for portion in self.order.portions(step, self.passes, rank, world):
            weights = [0.0] * len(portion.ids) if portion.idle else self.plan.weights(portion.ids)
            batch = self.parts.read(portion.ids)
            found.append(prepare(batch, portion.names, draws, self.parts.assemble, self.plan.step, weights))
        return found

    def _step(self, ahead: Ahead[list[Prepared]]) -> dict[str, Any]:
        began = time.perf_counter()
        passes = ahead.next()
        waited = time.perf_counter() - began
        rates = self.learner.begin(self.done)
        try:
            results = self._passes(passes)
            rows, size = read(loss_tables(self.accelerator, results), self.learner.norm())
            losses = step_losses(rows, self.plan.step.weights)
            norm, skipped = self.learner.update(losses["loss"], size)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(self.done + 1, passes[0]) from error
        finally:
            self.learner.clear()
        self.done += 1
        row = {
            "step": self.done,
            **self._seen(passes),
            **losses,
            **rates,
            "grad_norm": norm,
            "seconds": time.perf_counter() - began,
            "data_wait": waited,
            "skipped": skipped,
        }
        if self.log is not None:
            self.log.step(row)
        world = self.accelerator.num_processes
        bad = culprits(rows, self.order, self.done - 1, self.passes, world) if skipped else ()
        self.watch.after(self.done, skipped, bad)
        return row

    def _seen(self, passes: Sequence[Prepared]) -> dict[str, Any]:
        """What this step has learnt of, over all processes."""
        ids = self.order.batch_at(self.done - 1)
        each = passes[0].tokens // len(passes[0].clip_ids)
        return {
            "epoch": self.order.epoch_of(self.done - 1),
            "tokens": each * len(ids),
            "samples": len(ids),
            "bucket": self.plan.buckets[ids[0]],
            "clips": list(ids),
        }

    def _passes(self, passes: Sequence[Prepared]) -> list[StepResult]:
        """Forward and backward of every pass; gradients add up."""
        counts = summed_counts(self.accelerator, count_samples(passes))
        draws, rank = Draws(self.plan.seed, self.done), self.accelerator.process_index
        results = []
        for place, prepared in enumerate(passes):
            self._stop_when_asked(first=place == 0)
            seed_model(self.accelerator.device, draws.torch_seed(rank * len(passes) + place))
            moved = prepared.to(self.accelerator.device)
            result = training_step(moved, self._predict, self.parts.contexts, self.plan.step, counts)
            self.accelerator.backward(result.total)
            results.append(result)
        return results

    def _predict(self, *arguments: Any, **named: Any) -> Mapping[Modality, Tensor]:
        with self.accelerator.autocast():
            return self.parts.predict(*arguments, **named)

    def _stop_when_asked(self, *, first: bool) -> None:
        """Many processes agree before a step's first pass, one alone looks before every pass."""
        if self.accelerator.num_processes > 1 and not first:
            return
        if any_process(self.accelerator, self.interrupts.requested):
            raise Interrupted(self.done)

    def _numbers(self) -> dict[str, Any]:
        """Counters of a checkpoint, as JSON."""
        return {"passes": self.whole, **self.watch.numbers(), **self.learner.numbers()}

    def _resume(self) -> int:
        state = self.saver.resume()
        if state is None:
            return 0
        self.watch.restore(state.numbers)
        self.whole = int(state.numbers.get("passes", self.whole))
        return state.step

    def _save(self) -> None:
        if self.log is not None:
            self.log.flush()
        if self.saver.save(self.done):
            self._event("checkpoint", step=self.done)

    def _call(self, hooks: Sequence[Hook], report: Report | None) -> None:
        due = [hook for hook in hooks if hook.due(self.done, self.plan.optimization.steps)]
        if not due:
            return
        if report is not None and self.log is not None and self.done:
            report(self.meter.now("evaluating"))
        with self.learner.evaluating(self.plan.offload), self.interrupts.at_once(self.done):
            for hook in due:
                measured = hook.call(self.done)
                if measured and self.log is not None:
                    self.log.measured(self.done, measured)
                    self.meter.measured(self.done, measured)
        if self.log is not None:
            self.log.sampled(self.done)

    def _begun(self, step: int) -> None:
        sizes = {
            bucket: {"clips": len(ids), "batch": self.order.sizes[bucket]}
            for bucket, ids in self.order.groups.items()
        }
        facts = {"clips": len(self.plan.buckets), "epoch_steps": self.order.steps_per_epoch, "buckets": sizes}
        name = "resumed" if step else "started"
        self._event(name, step=step, steps=self.plan.optimization.steps, **facts)

    def _event(self, name: str, **facts: Any) -> None:
        self.meter.event(name, facts)
        if self.log is not None:
            self.log.event(name, **facts)


def _peak_bytes() -> int:
    """The allocator's peak on the GPU, 0 without one."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
