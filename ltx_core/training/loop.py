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
from collections.abc import Sequence
from typing import Any

from accelerate import Accelerator

from ltx_core.errors import LtxError
from ltx_core.training.beside import ShortageError, called
from ltx_core.training.checkpoint_folder import CHECKPOINTS, checkpoint_name
from ltx_core.training.data import Ahead
from ltx_core.training.holding import begin_judging, keep_best, record_best
from ltx_core.training.interrupts import Interrupted, Interrupts, exclusive
from ltx_core.training.judging import Judge, best_checkpoint
from ltx_core.training.learner import Learner
from ltx_core.training.log import RunLog
from ltx_core.training.plan import Hook, Outcome, Parts, Plan
from ltx_core.training.progress import Meter, Report
from ltx_core.training.saving import Saver
from ltx_core.training.shortage import SharedShortageError, Shortage, free
from ltx_core.training.spread import between_rounds
from ltx_core.training.step import Prepared
from ltx_core.training.stepping import Stepper
from ltx_core.training.trackers.choose import openings
from ltx_core.training.transfer import Sent
from ltx_core.training.update import any_process, same_everywhere
from ltx_core.training.watch import MAX_BAD_STEPS, TrainingError, Watch

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
        Unsaved: the same when it could not be saved (code 74).
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
        self.learner = Learner(parts.model, options, accelerator, fused=plan.pace.fused)
        self.stepper = Stepper(
            plan, parts, accelerator, self.learner, lambda: interrupts.requested, self._out_of_memory
        )
        self.meter = Meter(options.steps)
        self.watch = Watch(self._event, options.max_bad_steps)
        self.judge = Judge(plan.judge, self._event)
        self.saver = Saver(plan, parts, self.learner, accelerator, self._numbers, self._event)
        self.saver.also = lambda: self.judge.kept if plan.checkpoints.keep_best else ()
        self.log: RunLog | None = None
        self.done = self._resume()
        if accelerator.is_main_process:
            trackers = openings(plan.folder, plan.tracking, board=plan.tensorboard)
            self.log = RunLog(plan.folder, self.done, trackers, self.meter.event)
            best = self.judge.best
            self.meter.begin(self.log.rows, None if best is None else (best.step, best.heldout))
            self.saver.flush = self.log.flush

    def run(self, hooks: Sequence[Hook], report: Report | None) -> Outcome:
        """All remaining steps."""
        began, first, steps = time.monotonic(), self.done, self.plan.optimization.steps
        self._begun(first)
        try:
            self._call(hooks, report)
            self._preflight()
            with Ahead(self.stepper.prepare, range(first, steps), self.plan.ahead) as ahead:
                while self.done < steps and self.judge.stopped is None:
                    row = self._step(ahead)
                    if report is not None and self.log is not None:
                        report(self.meter.after(row))
                    with self.stepper.speed.part("hooks"):
                        self.saver.after(self.done)
                        self._call(hooks, report)
                if self.log is not None:
                    self.log.flush()
            self.saver.save(self.done)  # where the judge ended the run
        except Interrupted:
            self.saver.stop(self.done)
            seconds = round(time.monotonic() - self.interrupts.asked, 3)
            self._event("interrupted", step=self.done, seconds=seconds)
            raise
        except Exception as error:
            self._event("failed", step=self.done, reason=str(error))
            raise
        finally:
            if self.log is not None:
                self.log.close(finished=self.done >= steps or self.judge.stopped is not None)
        record_best(self.judge, self.saver)
        seconds = time.monotonic() - began
        self._event("finished", step=self.done, seconds=round(seconds, 3), **self.stepper.speed.facts())
        checkpoint = self.saver.root / checkpoint_name(self.done)
        return Outcome(self.done, first, checkpoint, seconds, best_checkpoint(self.plan.folder))

    def _step(self, ahead: Ahead[Sent]) -> dict[str, Any]:
        row, culprits = self.stepper.take(self.done, ahead)
        self.done += 1
        if self.log is not None:
            self.log.step(row)
        self.watch.after(self.done, row["skipped"], culprits)
        return row

    def _preflight(self) -> None:
        facts = self.stepper.preflight(self.done)
        if facts is not None:
            self._event("preflight", **facts)

    def _out_of_memory(self, error: BaseException, prepared: Prepared, updating: bool) -> TrainingError:
        """The error of a step that did not fit, after saving the state that it began with."""
        bucket = self.plan.buckets[prepared.clip_ids[0]]
        shortage = Shortage.of(error, self.done + 1, bucket, prepared)
        free(error)
        alone = self.accelerator.num_processes == 1
        if updating or not (alone or isinstance(error, SharedShortageError)):
            saved = f"The newest checkpoint is of step {self.saver.saved}."
        else:
            saved = self.saver.rescue(self.done)
        self._event("out_of_memory", step=self.done + 1, bucket=bucket, batch=shortage.batch)
        return TrainingError(shortage.text(self.parts.remedies(shortage), saved))

    def _numbers(self) -> dict[str, Any]:
        """Counters of a checkpoint, as JSON."""
        return {
            "passes": self.stepper.whole,
            **self.watch.numbers(),
            **self.learner.numbers(),
            **self.judge.numbers(),
        }

    def _resume(self) -> int:
        state = self.saver.resume()
        if not same_everywhere(self.accelerator, -1 if state is None else state.step):
            raise LtxError(
                f"the processes found different checkpoints in {self.saver.root} (this one "
                f"{'none' if state is None else f'step {state.step}'}): all machines must see the same "
                "folder as it is now; put the workspace on a shared file system"
            )
        if state is None:
            return 0
        self.watch.restore(state.numbers)
        self.judge.restore(state.numbers)
        self.stepper.go_on(int(state.numbers.get("passes", self.stepper.whole)))
        return state.step

    def _call(self, hooks: Sequence[Hook], report: Report | None) -> None:
        due = [hook for hook in hooks if hook.due(self.done, self.plan.optimization.steps)]
        if not due:
            return
        if report is not None and self.log is not None and self.done:
            report(self.meter.now("evaluating"))
        try:
            better = self._evaluate(due)
        except ShortageError as error:  # the moments are back where they belong: they can be saved
            raise error.told(self.done, self.saver, self._event) from None
        if better:
            keep_best(self.judge, self.saver)
        if self.log is not None:
            self.log.sampled(self.done)

    def _evaluate(self, due: Sequence[Hook]) -> bool:
        """Call hooks; whether they make this the best step."""
        better = False
        with self.learner.evaluating(self.plan.offload):
            for hook in due:
                self._stop_together()
                with self._interruptible():
                    measured = called(hook, self.done, self.saver, self._event)
                if measured and self.log is not None:
                    self.log.measured(self.done, measured)
                    self.meter.measured(self.done, measured)
                better |= self.judge.after(self.done, measured)
        return better

    def _interruptible(self) -> contextlib.AbstractContextManager[None]:
        """One process leaves a hook where a signal arrives; several, which may wait for one another in it,
        where they all are between two rounds of its work."""
        alone = self.accelerator.num_processes == 1
        return self.interrupts.at_once(self.done) if alone else between_rounds(self._stop_together)

    def _stop_together(self) -> None:
        """Several processes agree; one alone is stopped by the signal itself."""
        several = self.accelerator.num_processes > 1
        if several and any_process(self.accelerator, self.interrupts.requested):
            raise Interrupted(self.done)

    def _begun(self, step: int) -> None:
        begin_judging(self.judge, self.saver, step)
        order = self.stepper.order
        sizes = {
            bucket: {"clips": len(ids), "batch": order.sizes[bucket]} for bucket, ids in order.groups.items()
        }
        facts = {"clips": len(self.plan.buckets), "epoch_steps": order.steps_per_epoch, "buckets": sizes}
        name = "resumed" if step else "started"
        self._event(name, step=step, steps=self.plan.optimization.steps, **facts, **self.plan.pace.facts)
        if self.plan.changes:
            self._event("changes", changes=list(self.plan.changes))

    def _event(self, name: str, **facts: Any) -> None:
        self.meter.event(name, facts)
        if self.log is not None:
            self.log.event(name, **facts)
