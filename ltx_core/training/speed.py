"""What a step's time goes to, how fast it is, and how near that comes to the device's peak.

Design choices
- Nothing here makes a step wait for its device. On CUDA the parts are timed by events, which are read when
  the run has passed them anyhow: forward and backward in their own step, whose losses have been read by then,
  the optimizer in the step after it. Elsewhere the host's clock does.
- MFU (model FLOPs utilisation; Chowdhery et al. 2022, arXiv:2204.02311, appendix B) counts what the result
  needs: what is recomputed, read back or moved is not counted, so that it falls with it.
- Where a device's peak is not known MFU is None, never a guess. On a CPU it is None.
"""

from __future__ import annotations

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

Part = Literal["data", "forward", "backward", "optimizer", "hooks"]
PARTS: tuple[Part, ...] = ("data", "forward", "backward", "optimizer", "hooks")
ON_DEVICE: tuple[Part, ...] = ("forward", "backward", "optimizer")
PEAKS: Mapping[str, float] = {
    "H200": 989e12,
    "GH200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H800": 989e12,
    "H20": 148e12,
    "B200": 2250e12,
    "B100": 1750e12,
    "A100": 312e12,
    "A800": 312e12,
    "A40": 149.7e12,
    "A30": 165e12,
    "A10G": 70e12,
    "A10": 125e12,
    "RTX A6000": 154.8e12,
    "RTX 6000 Ada": 364.2e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "RTX 5090": 209.5e12,
    "RTX 4090": 165.2e12,
    "RTX 4080": 97.5e12,
    "RTX 3090": 71e12,
}
"""Operations per second in bfloat16, dense, summed in float32, by the makers' data sheets."""


@dataclass(frozen=True)
class Pace:
    """What a run's speed depends on and its result does not.

    Attributes:
        flops: bucket -> operations that a training step needs for one of its samples; none where not known.
        fused: whether AdamW's update is one kernel; None: on CUDA.
        preflight: whether the largest batch is tried before the first step; None: on CUDA.
        facts: what was chosen, for the record of the run's start.
    """

    flops: Mapping[str, float] = field(default_factory=dict)
    fused: bool | None = None
    preflight: bool | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Clock:
    """Seconds of the parts of a step since they were last taken, by the host's clock."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def part(self, name: Part) -> Iterator[None]:
        """Count what runs inside the block as `name`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += time.perf_counter() - began

    def take(self) -> dict[str, float]:
        """Seconds by part, of what has ended; they are counted once."""
        found = dict(self._seconds)
        self._seconds.clear()
        return found


class DeviceClock(Clock):
    """The same by CUDA's events for the parts that the device works at."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device
        self._pending: list[tuple[str, Any, Any]] = []

    @contextmanager
    def part(self, name: Part) -> Iterator[None]:
        """Count what is queued inside the block as `name`."""
        if name not in ON_DEVICE:
            with super().part(name):
                yield
            return
        stream = torch.cuda.current_stream(self._device)
        ends = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        ends[0].record(stream)
        try:
            yield
        finally:
            ends[1].record(stream)
            self._pending.append((name, *ends))

    def take(self) -> dict[str, float]:
        """Seconds by part, of what the device is through with."""
        left = []
        for name, start, end in self._pending:
            if end.query():
                self._seconds[name] += start.elapsed_time(end) / 1000
            else:
                left.append((name, start, end))
        self._pending = left
        return super().take()


class Speed:
    """Measures a run, step by step."""

    def __init__(self, pace: Pace, device: torch.device, precision: str = "no", processes: int = 1) -> None:
        """Take the device, accelerate's name of the precision and the number of processes."""
        self.device, self.flops = device, pace.flops
        self.clock = DeviceClock(device) if device.type == "cuda" else Clock()
        self.part = self.clock.part
        peak = peak_flops(device) if precision in ("bf16", "fp16") else None
        self._peak = None if peak is None else peak * processes
        self._totals: defaultdict[str, float] = defaultdict(float)

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of a finished step.

        Args:
            row: with `seconds`, `tokens`, `samples`, `bucket` and `data_wait`.
        """
        parts, seconds = self.clock.take(), row["seconds"]
        flops = self.flops.get(row["bucket"], 0.0) * row["samples"]
        sums = {"seconds": seconds, "tokens": row["tokens"], "samples": row["samples"], "flops": flops}
        for name, value in {**sums, **parts}.items():
            self._totals[name] += value
        return {
            "tokens_per_second": row["tokens"] / seconds,
            "mfu": self._utilisation(flops, seconds),
            "peak_bytes": peak_bytes(self.device),
            **{f"{name}_seconds": parts.get(name, 0.0) for name in (*ON_DEVICE, "hooks")},
        }

    def facts(self) -> dict[str, Any]:
        """Of all steps of this process, for the record of its end; `hooks`: saves, samples, held-out loss."""
        for name, value in self.clock.take().items():
            self._totals[name] += value
        found: dict[str, Any] = {"peak_bytes": peak_bytes(self.device)}
        total = self._totals
        seconds = total["seconds"]
        if not seconds:
            return found
        whole = seconds + total["hooks"]
        shares: dict[str, float] = {name: round(total[name] / whole, 4) for name in PARTS}
        mfu = self._utilisation(total["flops"], seconds)
        return found | {
            "tokens_per_second": round(total["tokens"] / seconds, 3),
            "samples_per_second": round(total["samples"] / seconds, 5),
            "mfu": None if mfu is None else round(mfu, 4),
            "shares": {**shares, "rest": round(max(0.0, 1 - sum(shares.values())), 4)},
        }

    def _utilisation(self, flops: float, seconds: float) -> float | None:
        return None if self._peak is None or not flops else flops / seconds / self._peak


def peak_flops(device: torch.device) -> float | None:
    """A GPU's operations per second in 16 bits, by its name; None where that is not known."""
    if device.type != "cuda":
        return None
    return known_peak(torch.cuda.get_device_name(device))


def known_peak(name: str) -> float | None:
    """The same of a GPU of this name: the longest one of the table that it contains as whole words."""
    words = f" {name.replace('-', ' ')} "
    known = [model for model in PEAKS if f" {model} " in words]
    return PEAKS[max(known, key=len)] if known else None


def peak_bytes(device: torch.device) -> int:
    """The most that the GPU's allocator has handed out; without a GPU the most that the process has held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
