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
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from ltx_core.conditions.base import Modality
from ltx_core.errors import LtxError
from ltx_core.training.checkpoint import checkpoint_name, retain, save_checkpoint
from ltx_core.training.data import Ahead
from ltx_core.training.draws import Draws
from ltx_core.training.interrupts import Interrupted, Interrupts, exclusive
from ltx_core.training.log import RunLog
from ltx_core.training.optim import adamw, learning_rate, offloaded, set_learning_rate, trainable
from ltx_core.training.plan import Hook, Outcome, Parts, Plan
from ltx_core.training.progress import Meter, Report
from ltx_core.training.resume import capture, restore, resume_point
from ltx_core.training.step import Prepared, StepResult, count_samples, prepare, training_step
from ltx_core.training.update import (
    OVERFLOW,
    any_process,
    apply_gradients,
    seed_model,
    step_losses,
    summed_counts,
)

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
"""The folder of checkpoints in a run's folder."""
MAX_BAD_STEPS = 5
"""Steps in a row without a finite loss and gradient after which the run ends."""


class TrainingError(LtxError):
    """The training cannot go on: it diverged, or a batch does not fit into memory."""


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
        self.root = plan.folder / CHECKPOINTS
        self.whole = options.gradient_accumulation_steps * accelerator.num_processes
        """Forward passes of a step over all processes, as the run began with."""
        self.parameters = trainable(parts.model)
        self.optimizer = accelerator.prepare_optimizer(adamw(self.parameters.values(), options))
        self.bad_steps = 0
        self.done = self._resume()
        self.passes = -(-self.whole // accelerator.num_processes)
        self.order = plan.order(self.whole)
        self.saved = self.done
        self.log: RunLog | None = None
        if accelerator.is_main_process:
            self.log = RunLog(plan.folder, self.done, tensorboard=plan.tensorboard)

    def run(self, hooks: Sequence[Hook], report: Report | None) -> Outcome:
        """All remaining steps."""
        began, first, steps = time.monotonic(), self.done, self.plan.optimization.steps
        self._begun(first)
        meter = Meter(steps)
        try:
            self._call(hooks)
            with Ahead(self._prepare, range(first, steps), self.plan.ahead) as ahead:
                while self.done < steps:
                    row = self._step(ahead)
                    if report is not None and self.log is not None:
                        report(meter.after(self.done, row["loss"], row["seconds"]))
                    self._save_when_due()
                    self._call(hooks)
        except Interrupted:
            self._save()
            self._event("interrupted", step=self.done)
            logger.warning("stopped and saved at step %d; the same command goes on from there", self.done)
            raise
        finally:
            if self.log is not None:
                self.log.close()
        seconds = time.monotonic() - began
        self._event("finished", step=self.done, seconds=round(seconds, 3), peak_bytes=_peak_bytes())
        return Outcome(self.done, first, self.root / checkpoint_name(self.done), seconds)

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
        rate = learning_rate(self.plan.optimization, self.done)
        set_learning_rate(self.optimizer, rate)
        try:
            results = self._passes(passes)
            losses = step_losses(self.accelerator, results, self.plan.step.weights)
            norm, skipped = self._update(losses["loss"])
        except torch.OutOfMemoryError as error:
            shapes = {name: tuple(track.clean.shape) for name, track in passes[0].tracks.items()}
            raise TrainingError(
                f"out of GPU memory at step {self.done + 1} with tokens {shapes} (batch, tokens, channels); "
                "lower `optimization.batch_size` (raise `gradient_accumulation_steps` instead) or set "
                "`optimization.batch_tokens`, set "
                "`enable_gradient_checkpointing: true`, or use smaller buckets"
            ) from error
        finally:
            self.optimizer.zero_grad(set_to_none=True)
        self.done += 1
        row = {
            "step": self.done,
            **self._seen(passes),
            **losses,
            "lr": rate,
            "grad_norm": norm,
            "seconds": time.perf_counter() - began,
            "data_wait": waited,
            "skipped": skipped,
        }
        if self.log is not None:
            self.log.step(row)
        self._watch(skipped)
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

    def _update(self, loss: float | None) -> tuple[float | None, str]:
        """Apply the gradients of a finite loss; (norm, why nothing changed or "")."""
        if loss is None or not math.isfinite(loss):
            return None, f"loss is {loss}"
        limit = self.plan.optimization.max_grad_norm
        return apply_gradients(self.accelerator, self.optimizer, self.parameters.values(), limit)

    def _watch(self, skipped: str) -> None:
        """Record a step that changed nothing; end the run when they do not stop."""
        if not skipped or skipped == OVERFLOW:
            self.bad_steps = 0
            return
        self.bad_steps += 1
        clips = list(dict.fromkeys(self.order.batch_at(self.done - 1)))
        self._event("skipped", step=self.done, reason=skipped, clips=clips)
        logger.warning("step %d was skipped: %s; clips %s", self.done, skipped, ", ".join(clips))
        if self.bad_steps >= MAX_BAD_STEPS:
            raise TrainingError(
                f"{self.bad_steps} steps in a row without a finite loss and gradient, the last of them "
                f"step {self.done} ({skipped}; clips {', '.join(clips)}). Lower `optimization.learning_rate` "
                "or look at these clips; checkpoints of before are kept"
            )

    def _stop_when_asked(self, *, first: bool) -> None:
        """Many processes agree before a step's first pass, one alone looks before every pass."""
        if self.accelerator.num_processes > 1 and not first:
            return
        if any_process(self.accelerator, self.interrupts.requested):
            raise Interrupted(self.done)

    def _resume(self) -> int:
        state = resume_point(
            self.root,
            self.plan.identity,
            allowed=not self.plan.checkpoints.no_resume,
            main=self.accelerator.is_main_process,
        )
        if state is None:
            return 0
        restore(state, self.parameters, self.optimizer.optimizer)
        self.bad_steps = int(state.numbers["bad_steps"])
        self.whole = int(state.numbers.get("passes", self.whole))
        if self.accelerator.scaler is not None and "scaler" in state.numbers:
            self.accelerator.scaler.load_state_dict(state.numbers["scaler"])
        return state.step

    def _save_when_due(self) -> None:
        interval = self.plan.checkpoints.interval
        if self.done == self.plan.optimization.steps or (interval and self.done % interval == 0):
            self._save()

    def _save(self) -> None:
        if self.done > self.saved and self.log is not None:
            self.log.flush()
            options, scaler = self.plan.checkpoints, self.accelerator.scaler
            numbers: dict[str, Any] = {"bad_steps": self.bad_steps, "passes": self.whole}
            if scaler is not None:
                numbers["scaler"] = scaler.state_dict()
            optimizer = self.optimizer.optimizer if options.save_training_state == "full" else None
            state = capture(self.done, self.plan.identity, self.parameters, optimizer, numbers)
            kept = None if options.save_training_state == "off" else state
            save_checkpoint(self.root, self.done, self.parts.export, kept)
            retain(self.root, options.keep_last_n)
            self._event("checkpoint", step=self.done)
        self.saved = self.done
        self.accelerator.wait_for_everyone()

    def _call(self, hooks: Sequence[Hook]) -> None:
        due = [hook for hook in hooks if hook.due(self.done, self.plan.optimization.steps)]
        if not due:
            return
        self.parts.model.eval()
        moments = offloaded(self.optimizer.optimizer, self.plan.offload)
        with torch.no_grad(), moments, self.interrupts.at_once(self.done):
            for hook in due:
                measured = hook.call(self.done)
                if measured and self.log is not None:
                    self.log.measured(self.done, measured)
        self.parts.model.train()

    def _begun(self, step: int) -> None:
        sizes = {
            bucket: {"clips": len(ids), "batch": self.order.sizes[bucket]}
            for bucket, ids in self.order.groups.items()
        }
        facts = {"clips": len(self.plan.buckets), "epoch_steps": self.order.steps_per_epoch, "buckets": sizes}
        name = "resumed" if step else "started"
        self._event(name, step=step, steps=self.plan.optimization.steps, **facts)

    def _event(self, name: str, **facts: Any) -> None:
        if self.log is not None:
            self.log.event(name, **facts)


def _peak_bytes() -> int:
    """The allocator's peak on the GPU, 0 without one."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
