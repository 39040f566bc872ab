"""Memory of one of the processes that share a transformer's weights out (FSDP2), from sizes alone. No torch.

Design choices
- A pass holds two blocks whole, the one that runs and the next, which is on its way, and all that lies
  outside of blocks from the beginning to the end; the same of gradients where weights learn.
- Adapters lie whole in every process, and so do their moments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ltx_core.models.memory.training import Activations, Learning
from ltx_core.models.memory.weights import WeightBytes

WHOLE = 2
"""Blocks that are whole at a time."""
NOTHING = WeightBytes((), 0)


@dataclass(frozen=True)
class Share:
    """What one process holds.

    Attributes:
        processes: that share the weights out; 1: nothing is shared.
        frozen: bytes of the weights that do not learn.
        learned: bytes, in float32, of those that do; nothing where adapters learn.
    """

    processes: int
    frozen: WeightBytes
    learned: WeightBytes = NOTHING

    def weights(self, swap: int = 0) -> int:
        """Bytes beside what learns: this process's part of the frozen weights, and what is whole in a pass.

        Raises:
            ValueError: when there are not so many blocks to swap.
        """
        if self.processes == 1:
            return self.frozen.resident(swap)
        return self._part(self.frozen.all) + _whole(self.frozen) + 2 * _whole(self.learned)

    def learning(self, learning: Learning) -> Learning:
        """This process's part of what learns."""
        if self.processes == 1 or self.learned == NOTHING:
            return learning
        return replace(
            learning,
            count=self._part(learning.count),
            moments=None if learning.moments is None else self._part(learning.moments),
            updating=None if learning.updating is None else self._part(learning.updating),
            averages=self._part(learning.averages),
        )

    def kept(self, kept: Activations, learning: Learning, recomputed: int) -> Activations:
        """Activations, with the narrow copies of learning weights that a pass keeps of all processes' parts.

        Args:
            kept: of one forward pass.
            learning: of the whole model.
            recomputed: blocks that compute again: they keep no copy.
        """
        blocks = len(self.learned.blocks)
        if self.processes == 1 or not blocks or not learning.half:
            return kept
        copies = learning.count - self._part(learning.count)
        held = copies * (blocks - min(recomputed, blocks)) // blocks
        return replace(kept, start=kept.start + 2 * held)

    def _part(self, count: int) -> int:
        return -(-count // self.processes)


def _whole(weights: WeightBytes) -> int:
    return weights.rest + WHOLE * max(weights.blocks, default=0)
