"""How far a training is and how it goes: loss, rates, speed, memory, time left, warnings.

Design choices
- A `Meter` is told each row of metrics and each event of the run; it keeps sums and a few numbers, so that a
  step costs it microseconds and nothing waits for a device.
- `Bounded` lets through at most four messages a second, the first and the last always; what is asked of the
  machine (memory) is asked for these alone.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ltx_core.training.means import WINDOW, Curve, Mean

LEVEL_WINDOW = 100
"""Steps over which the losses by noise level are: a step has few samples of each."""
MOST_WARNINGS = 3
LEAST_S = 0.25
"""Seconds between two messages."""
PARTS = ("forward", "backward", "optimizer")
MODALITIES, QUARTERS = ("video", "audio"), 4
WARNED = {
    "overfit": "overfitting",
    "early_stop": "stops early",
    "save_failed": "a save failed",
    "tracker": "tracker",
    "out_of_memory": "out of memory",
}
"""Events that a person should see, in words."""


@dataclass(frozen=True)
class Progress:
    """State of a training after a step.

    Attributes:
        step: finished steps.
        steps: of the whole run.
        loss: mean of the last steps; None before the first.
        per_second: steps per second over the last steps; 0 before the second.
        eta: seconds left at this speed; None before the second.
        losses: mean of the last steps by modality.
        levels: mean of the last steps by modality and quarter of the noise level, None where there was none.
        rates: learning rates by their names in the records.
        grad_norm: of the last step.
        samples_per_second: over the last steps.
        tokens_per_second: likewise.
        mfu: share of the device's arithmetic that the model's own takes; None where it is not known.
        data_wait: share of the time in which a step waited for its data.
        parts: shares of forward, backward and optimizer, where they are measured.
        peak_bytes: the allocator's peak on the device; None without one.
        reserved_bytes: what the allocator holds of it.
        host_bytes: of this process.
        curve: means of the loss over equal parts of the steps so far.
        epoch: of the last step, from 0.
        bucket: of the last step.
        heldout: the last held-out loss by modality.
        heldout_step: where it was measured.
        best_step: the step of the best held-out loss so far; None before any.
        best: that loss, by the measure that the run is judged by.
        skipped: steps that changed nothing, of this process.
        warnings: what a person should see, the newest last.
        doing: what goes on beside the steps, such as "samples"; "" in the steps.
    """

    step: int
    steps: int
    loss: float | None = None
    per_second: float = 0.0
    eta: float | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    levels: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    grad_norm: float | None = None
    samples_per_second: float = 0.0
    tokens_per_second: float = 0.0
    mfu: float | None = None
    data_wait: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: int | None = None
    reserved_bytes: int | None = None
    host_bytes: int | None = None
    curve: tuple[float, ...] = ()
    epoch: int = 0
    bucket: str = ""
    heldout: Mapping[str, float] = field(default_factory=dict)
    heldout_step: int | None = None
    best_step: int | None = None
    best: float | None = None
    skipped: int = 0
    warnings: tuple[str, ...] = ()
    doing: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without what is not known or no finite number."""
        return {name: value for name, value in _plain(asdict(self)).items() if value not in ({}, [], "")}

    def __str__(self) -> str:
        loss = "" if self.loss is None else f"  loss {self.loss:.4f}"
        speed = f"  {pace(self.per_second)}" if self.per_second else ""
        left = "" if self.eta is None else f"  ETA {clock(self.eta)}"
        return f"step {self.step}/{self.steps}{loss}{speed}{left}"


class Meter:
    """Turns rows of metrics and events into `Progress`."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._means: dict[str, Mean] = {}
        self._curve = Curve()
        self._facts: dict[str, Any] = {}
        self._warnings: deque[str] = deque(maxlen=MOST_WARNINGS)
        self._skipped = 0
        self._step = 0

    def begin(self, rows: Iterable[Mapping[str, Any]], best: tuple[int, float] | None = None) -> None:
        """Take in the rows of before a resumed run: their losses, not their speed; its best step and loss."""
        if best is not None:
            self._facts |= {"best_step": best[0], "best": best[1]}
        for row in rows:
            self._step = max(self._step, int(row["step"]))
            self._curve.add(row.get("loss"))
            self._losses(row)
            heldout = {name: row[name] for name in row if name.startswith("heldout_")}
            self.measured(int(row["step"]), heldout)

    def after(self, row: Mapping[str, Any]) -> Progress:
        """Progress after the step of a row of metrics."""
        self._step = int(row["step"])
        self._curve.add(row.get("loss"))
        self._losses(row)
        for name in ("seconds", "data_wait", "samples", "tokens", *(f"{part}_seconds" for part in PARTS)):
            self._mean(name).add(row.get(name))
        self._facts["rates"] = {n: v for n, v in row.items() if n.partition("_")[0] == "lr" and v is not None}
        for name in ("grad_norm", "epoch", "bucket", "mfu", "peak_bytes"):
            if row.get(name) is not None:
                self._facts[name] = row[name]
        return self.now()

    def measured(self, step: int, values: Mapping[str, Any]) -> None:
        """Take in held-out losses; other numbers are none of this."""
        found = {
            modality: float(values[f"heldout_{modality}"])
            for modality in MODALITIES
            if values.get(f"heldout_{modality}") is not None
        }
        if found:
            self._facts |= {"heldout": found, "heldout_step": step}

    def event(self, name: str, facts: Mapping[str, Any]) -> None:
        """Take in an event of the run's log."""
        step = facts.get("step")
        if name == "skipped":
            self._skipped += 1
            self._warnings.append(f"step {step} skipped: {facts.get('reason')}")
        elif name == "best" and facts.get("value") is not None:
            self._facts |= {"best": float(facts["value"]), "best_step": step}
        elif name in WARNED:
            text = facts.get("reason") or facts.get("problem") or ""
            who = facts.get("tracker") or WARNED[name]
            place = f" at step {step}" if step is not None else ""
            self._warnings.append(f"{who}{place}" + (f": {text}" if text else ""))

    def now(self, doing: str = "") -> Progress:
        """Progress as it stands."""
        seconds, window = self._mean("seconds"), max(self._mean("seconds").sum, 1e-9)
        rate = len(seconds) / window if len(seconds) else 0.0
        levels = {modality: self._levels(modality) for modality in MODALITIES}
        timed = {part: self._mean(f"{part}_seconds") for part in PARTS}
        return Progress(
            self._step,
            self.steps,
            loss=self._mean("loss").value,
            per_second=rate,
            eta=(self.steps - self._step) / rate if rate else None,
            losses={m: v for m in MODALITIES if (v := self._mean(f"loss_{m}").value) is not None},
            levels={m: found for m, found in levels.items() if any(v is not None for v in found)},
            samples_per_second=self._mean("samples").sum / window,
            tokens_per_second=self._mean("tokens").sum / window,
            data_wait=self._mean("data_wait").sum / window if len(seconds) else None,
            parts={part: mean.sum / window for part, mean in timed.items() if len(mean)},
            curve=self._curve.points,
            skipped=self._skipped,
            warnings=tuple(self._warnings),
            doing=doing,
            **self._facts,
        )

    def _losses(self, row: Mapping[str, Any]) -> None:
        for name in ("loss", *(f"loss_{modality}" for modality in MODALITIES)):
            self._mean(name).add(row.get(name))
        for modality in MODALITIES:
            for quarter in range(1, QUARTERS + 1):
                name = f"loss_{modality}_q{quarter}"
                self._mean(name, LEVEL_WINDOW).add(row.get(name))

    def _levels(self, modality: str) -> tuple[float | None, ...]:
        quarters = range(1, QUARTERS + 1)
        return tuple(self._mean(f"loss_{modality}_q{quarter}", LEVEL_WINDOW).value for quarter in quarters)

    def _mean(self, name: str, window: int = WINDOW) -> Mean:
        if name not in self._means:
            self._means[name] = Mean(window)
        return self._means[name]


Report = Callable[[Progress], None]


class Bounded:
    """Passes on progress, at most every `least` seconds, with what memory it takes.

    The first, the last, and every change of what goes on are passed on always.
    """

    def __init__(
        self, report: Report, memory: Callable[[], Mapping[str, int]], least: float = LEAST_S
    ) -> None:
        self._report, self._memory, self._least = report, memory, least
        self._last, self._doing = -math.inf, ""

    def __call__(self, progress: Progress) -> None:
        """Pass on, or not."""
        now = time.monotonic()
        changed = progress.doing != self._doing or progress.step >= progress.steps
        if changed or now - self._last >= self._least:
            self._last, self._doing = now, progress.doing
            found: dict[str, Any] = dict(self._memory())
            self._report(replace(progress, **found))


def host_bytes() -> int | None:
    """Memory of this process that lies in RAM; None where the system does not say it."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * 4096


def memory() -> dict[str, int]:
    """What the device's allocator and this process hold; the device is not asked."""
    import torch

    found: dict[str, int] = {}
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        found["peak_bytes"] = torch.cuda.max_memory_allocated()
        found["reserved_bytes"] = torch.cuda.memory_reserved()
    host = host_bytes()
    return found if host is None else {**found, "host_bytes": host}


def clock(seconds: float) -> str:
    """Seconds as `4:05` or `1:02:07`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def pace(per_second: float) -> str:
    """Steps per second, or seconds per step where these are more than one."""
    return f"{per_second:.2f} it/s" if per_second >= 1 else f"{1 / per_second:.2f} s/it"


def _plain(value: Any) -> Any:
    """Without numbers that are none; in a sequence, where places count, None stands for them."""
    if isinstance(value, Mapping):
        found = {key: _plain(item) for key, item in value.items()}
        return {key: item for key, item in found.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
