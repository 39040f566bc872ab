"""The work of one optimizer step: read ahead, forward and backward of every pass, one look, one update."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from accelerate import Accelerator
from torch import Tensor

from ltx_core.conditions.base import Modality
from ltx_core.training.culprits import culprits
from ltx_core.training.data import Ahead
from ltx_core.training.draws import Draws
from ltx_core.training.interrupts import Interrupted
from ltx_core.training.learner import Learner
from ltx_core.training.order import Order, Portion
from ltx_core.training.plan import Parts, Plan
from ltx_core.training.preflight import largest_batch, reserved, wanted
from ltx_core.training.shortage import is_shortage
from ltx_core.training.speed import Speed
from ltx_core.training.spread import agreeing, sharded
from ltx_core.training.step import Prepared, StepResult, count_samples, prepare, training_step
from ltx_core.training.transfer import Sent, Transfer
from ltx_core.training.update import begin_together, loss_tables, read, seed_model, step_losses

Failed = Callable[[BaseException, Prepared, bool], Exception]
"""(what was raised, the batch that did not fit, whether weights were being changed) -> what to raise."""


class Stepper:
    """Steps of one run in this process."""

    def __init__(
        self,
        plan: Plan,
        parts: Parts,
        accelerator: Accelerator,
        learner: Learner,
        requested: Callable[[], bool],
        failed: Failed,
    ) -> None:
        """Take the parts; `requested` says whether the run was asked to stop."""
        self.plan, self.parts, self.accelerator, self.learner = plan, parts, accelerator, learner
        self._requested, self._failed = requested, failed
        self._transfer = Transfer(accelerator.device)
        world = accelerator.num_processes
        self.speed = Speed(plan.pace, accelerator.device, accelerator.mixed_precision, world)
        self.whole: int = plan.optimization.gradient_accumulation_steps * world
        """Forward passes of a step over all processes, as the run began with."""
        self.order: Order = plan.order(self.whole)
        self._updating = False

    def go_on(self, passes: int) -> None:
        """Share the batches of a run that began with so many passes in a step."""
        self.whole = passes
        self.order = self.plan.order(passes)

    @property
    def passes(self) -> int:
        """Forward passes of a step in this process, at the most."""
        world: int = self.accelerator.num_processes
        return -(-self.whole // world)

    def prepare(self, step: int) -> Sent:
        """This process's forward passes of a step; runs in the reader's thread."""
        draws = Draws(self.plan.seed, step)
        found = []
        for portion in self._portions(step, self.accelerator.process_index):
            weights = [0.0] * len(portion.ids) if portion.idle else self.plan.weights(portion.ids)
            batch = self.parts.read(portion.ids)
            found.append(prepare(batch, portion.names, draws, self.parts.assemble, self.plan.step, weights))
        return self._transfer.send(found)

    def take(self, step: int, ahead: Ahead[Sent]) -> tuple[dict[str, Any], Sequence[str]]:
        """Take optimizer step `step`, counted from 0.

        Returns:
            Its row of the records, and the clips that are to blame where it changed nothing.
        """
        began = time.perf_counter()
        with self.speed.part("data"):
            passes = self._transfer.receive(ahead.next())
        waited = time.perf_counter() - began
        rates = self.learner.begin(step)
        every = [self._portions(step, rank) for rank in range(self.accelerator.num_processes)]
        most = max(sum(len(portion.ids) for portion in own) for own in every)
        with self._fitting(passes[0]):
            results = self._passes(step, passes)
            rows, size = read(loss_tables(self.accelerator, results, most), self.learner.norm())
            losses = step_losses(rows, self.plan.step.weights)
            self._updating = True
            with self.speed.part("optimizer"):
                norm, skipped = self.learner.update(losses["loss"], size)
        self._updating = False
        row = {
            "step": step + 1,
            **self._seen(step, passes),
            **losses,
            **rates,
            "grad_norm": norm,
            "seconds": time.perf_counter() - began,
            "data_wait": waited,
            "skipped": skipped,
        }
        row |= self.speed.row(row)
        if not skipped:
            return row, ()
        return row, culprits(rows, every, self.order.batch_at(step))

    def preflight(self, step: int) -> dict[str, Any] | None:
        """Forward and backward of the largest batch, for nothing but its memory (`preflight.py`).

        Returns:
            What it was and took, or None where it is not wanted.
        """
        device = self.accelerator.device
        if step >= self.plan.optimization.steps or not wanted(self.plan.pace.preflight, device):
            return None
        kind = self.plan.optimization.optimizer_type
        began, batch = time.monotonic(), largest_batch(self.plan, self.parts, self.order, step)
        with self._fitting(batch), reserved(self.learner.fresh(), kind, device):
            self._pass(batch.to(device), batch.counts)
        self.speed.clock.take()
        facts = {"samples": len(batch.clip_ids), "seconds": round(time.monotonic() - began, 3)}
        return {"bucket": self.plan.buckets[batch.clip_ids[0]], **facts, **self.speed.facts()}

    def _portions(self, step: int, rank: int) -> list[Portion]:
        """A process's slices of a step's batch."""
        world, every = self.accelerator.num_processes, sharded(self.accelerator)
        return self.order.portions(step, self.passes, rank, world, all_passes=every)

    def _seen(self, step: int, passes: Sequence[Prepared]) -> dict[str, Any]:
        """What a step has learnt of, over all processes."""
        ids = self.order.batch_at(step)
        each = passes[0].tokens // len(passes[0].clip_ids)
        return {
            "epoch": self.order.epoch_of(step),
            "tokens": each * len(ids),
            "samples": len(ids),
            "bucket": self.plan.buckets[ids[0]],
            "clips": list(ids),
        }

    def _passes(self, step: int, passes: Sequence[Prepared]) -> list[StepResult]:
        """Forward and backward of every pass; gradients add up."""
        counts, stop = begin_together(self.accelerator, count_samples(passes), self._requested())
        draws, results = Draws(self.plan.seed, step), list[StepResult]()
        portions = self._portions(step, self.accelerator.process_index)
        alone = self.accelerator.num_processes == 1
        with agreeing(self.accelerator):
            for portion, prepared in zip(portions, passes, strict=True):
                # Many processes agree before a step's first pass, one alone looks before every pass.
                if stop or (alone and self._requested()):
                    raise Interrupted(step)
                seed_model(self.accelerator.device, draws.torch_seed(portion.place))
                results.append(self._pass(prepared, counts))
        return results

    def _pass(self, prepared: Prepared, counts: Mapping[Modality, int]) -> StepResult:
        with self.speed.part("forward"):
            result = training_step(prepared, self._predict, self.parts.contexts, self.plan.step, counts)
        with self.speed.part("backward"):
            self.accelerator.backward(result.total)
        return result

    @contextlib.contextmanager
    def _fitting(self, prepared: Prepared) -> Iterator[None]:
        """Work at a step's gradients, which are forgotten after it; `prepared` is what may not fit."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if is_shortage(error):
                self.learner.clear()
                raise self._failed(error, prepared, self._updating) from None
            raise
        finally:
            self.learner.clear()

    def _predict(self, *arguments: Any, **named: Any) -> Mapping[Modality, Tensor]:
        with self.accelerator.autocast():
            return self.parts.predict(*arguments, **named)
