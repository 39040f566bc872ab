"""Relative time of a training step under other settings: what recomputing, quantising and swapping cost.

Design choices
- Recomputation costs operations, which are known. Reading quantised weights back costs memory traffic, and
  swapping traffic between host and device that runs beside the computing: these need speeds of a device.
- Speeds are those measured (`calibration.py`); where there are none, nominal ones, and the advice says so.
"""

from __future__ import annotations

from dataclasses import replace

from ltx_core.models.memory.training import recomputed_blocks
from ltx_core.models.memory.work import Work, block_work
from ltx_core.models.swap_plan import swapped_blocks
from ltx_core.stages.calibration import Calibration, Rate
from ltx_core.stages.estimate_memory import Memory
from ltx_core.stages.settings import Settings
from ltx_core.stages.tokens import largest

SPEED = 100e12
"""Nominal operations per second of a GPU in 16 bits, as reached in training."""
HOST_LINK = 20e9
"""Nominal bytes per second between host and device (PCIe 4, page-locked memory)."""
UNHIDDEN = 0.25
"""Share of a fetch that the computing beside it does not hide: both read the device's memory. A guess."""
TRAFFIC = 1e12
"""Nominal bytes per second of a GPU's own memory."""
READ_BACK = {"int8": 5.0, "fp8": 5.0, "int4": 8.0, "nf4": 12.0}
"""Bytes of traffic per quantised weight and use: codes read, numbers written and read, lookups."""
SMALL_BATCH = 0.02
"""Loss of speed of each halving of a batch, whose passes are long: a guess."""


class Slowdown:
    """Compares settings of one config."""

    def __init__(self, memory: Memory, found: Calibration | None) -> None:
        self.memory, self.found = memory, found
        nominal = Rate(1 / SPEED, 1 / SPEED)
        self.forward = nominal if found is None else found.forward
        self.step = Rate(2 / SPEED, 2.5 / SPEED) if found is None else found.step
        self.base = Settings.of(memory.config)

    def sample_seconds(self, settings: Settings) -> float:
        """Seconds of the blocks for one sample of the largest bucket."""
        memory, blocks = self.memory, self.memory.shape.blocks
        batch, first = (one.samples(largest(memory.tokens)) for one in (settings, self.base))
        work = block_work(memory.shape, memory.load(settings), batch)
        kept = self._recomputed(settings)
        forward = self.forward.seconds(work)
        seconds = blocks * self.step.seconds(work) + kept * forward
        seconds += self._read_back(settings, kept)
        seconds += self._waiting(settings, work, forward)
        halvings = max(0, (first // batch).bit_length() - 1)
        return seconds * (1 + SMALL_BATCH * halvings) / batch

    def factor(self, settings: Settings, base: Settings) -> float:
        """How much longer a sample takes with `settings` than with `base`."""
        return self.sample_seconds(settings) / self.sample_seconds(base)

    def _recomputed(self, settings: Settings) -> int:
        """Blocks that compute twice."""
        blocks = self.memory.shape.blocks
        return len(recomputed_blocks(blocks, settings.every, swapped_blocks(blocks, settings.swap)))

    def _read_back(self, settings: Settings, recomputed: int) -> float:
        """Seconds of reading weights back; nothing where the measured blocks were quantised alike."""
        method = settings.method
        if method is None or (self.found is not None and method == self.base.method):
            return 0.0
        blocks = self.memory.shape.blocks
        count = sum(self.memory.weights(replace(settings, method=None)).blocks) / self.memory.width
        uses = 2 + recomputed / blocks
        return count * uses * READ_BACK[method] / TRAFFIC

    def _waiting(self, settings: Settings, work: Work, forward: float) -> float:
        """Seconds in which the device waits for swapped weights: a fetch beside the blocks until the next."""
        if not settings.swap:
            return 0.0
        sizes = self.memory.weights(settings).blocks
        fetch = max(sizes) / HOST_LINK
        stretch = len(sizes) / settings.swap
        backward = self.step.seconds(work)
        waits = (max(UNHIDDEN * fetch, fetch - stretch * beside) for beside in (forward, forward + backward))
        return settings.swap * sum(waits)
