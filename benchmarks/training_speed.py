"""A training step of the loop against forward, backward and optimizer step bare, on the same tensors."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Result
from benchmarks.stage_speeds import open_demo
from ltx_core.assemble import assemble
from ltx_core.models.velocity import Velocity
from ltx_core.stages.batches import Rows, open_contexts, scales
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.network import open_training
from ltx_core.stages.train import make_plan
from ltx_core.training.device import make_accelerator
from ltx_core.training.loop import train
from ltx_core.training.optim import adamw, trainable
from ltx_core.training.plan import Parts

WARM_UP = 5
"""Steps that are not counted."""
AIM = 1.03
CLOCKS = {"": time.perf_counter, ", CPU time of all threads": time.process_time}
"""Beside the time that passes, the CPU's: other work on the machine changes it little."""


def _now() -> dict[str, float]:
    return {name: clock() for name, clock in CLOCKS.items()}


class Bare:
    """A copy of the model that makes a bare step on the tensors that the loop has just used."""

    def __init__(self, velocity: Velocity, options: Any) -> None:
        self.ours, self.copy = velocity, Velocity(copy.deepcopy(velocity.model))
        self.optimizer = adamw(trainable(self.copy.model).values(), options)
        self.times: dict[str, list[tuple[float, float]]] = {name: [] for name in CLOCKS}
        self.seen: tuple[Any, ...] = ()
        self.began = _now()

    def predict(self, *arguments: Any) -> Any:
        """The loop's pass, whose tensors the bare step takes next."""
        self.seen = arguments
        return self.ours(*arguments)

    def step(self) -> None:
        """Forward, backward, optimizer."""
        tracks, inputs, *_ = self.seen
        velocities = self.copy(*self.seen)
        loss: Any = 0.0
        for name, track in tracks.items():
            weights = track.loss_tokens.float()[..., None]
            loss = loss + ((velocities[name] - inputs[name]).square() * weights).sum() / weights.sum()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def after(self, progress: object) -> None:
        """The loop's step took the time since the last bare one ended."""
        between = _now()
        self.step()
        after = _now()
        for name, times in self.times.items():
            times.append((between[name] - self.began[name], after[name] - between[name]))
        self.began = _now()


def training_speed(workspace: Path, steps: int) -> list[Result]:
    """Run the loop for `steps` steps, a bare step after each; the dataset must be there."""
    pipeline = open_demo(
        workspace,
        f"optimization.steps={steps + WARM_UP}",
        "optimization.warmup_steps=0",
        "checkpoints.interval=null",
        "training_strategy={video: {}, audio: {}}",
    )
    for stage in pipeline.stages("dataset"):
        for chunk in pipeline.plan(stage).chunks:
            pipeline.compute(stage, chunk)
    context, config = pipeline.context, pipeline.config
    _, samples = load_samples(context)
    accelerator = make_accelerator(config.acceleration)
    rows, velocity = Rows(context, samples), open_training(context)
    bare = Bare(velocity, config.optimization)
    plan = make_plan(context, workspace / "bench-run", "bench", samples)
    parts = Parts(
        model=velocity.model,
        read=rows.reader(),
        assemble=lambda batch, coins: assemble(config.training_strategy, batch, scales(context), coins),
        contexts=open_contexts(context, rows),
        predict=bare.predict,
        export=lambda folder, step: None,
    )
    train(plan, parts, accelerator, report=bare.after)
    name = f"training step, batch {config.optimization.batch_size}, video and audio"
    return [_result(name + clock, times[WARM_UP:]) for clock, times in bare.times.items()]


def _result(name: str, times: list[tuple[float, float]]) -> Result:
    ratio = median(ours / theirs for ours, theirs in times)
    ours, theirs = (median(column) for column in zip(*times, strict=True))
    speeds = f"{1 / ours:.2f} steps/s", f"{1 / theirs:.2f} steps/s"
    return Result(name, "forward + backward + optimizer step", ratio, *speeds, f"≤ {AIM}", ratio <= AIM)
