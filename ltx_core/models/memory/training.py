"""Peak memory of a transformer on its device, in training and in sampling, from sizes alone. No torch.

Design choices
- Two moments of a training step are compared: the start of the backward pass, when all that was kept lies
  there and no gradient does, and its end, when one block is left and every gradient lies there; and the
  optimizer's update after it.
- What lives for a moment only is counted in widths of the widest stream: the feed-forward's gradients are the
  most of it. Measured with the allocator's own records (`tests/unit/models/test_memory.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ltx_core.models.memory.block import FLOAT32, Arithmetic, Load, saved_by_block
from ltx_core.models.memory.shape import FEED_FORWARD, TransformerShape

BACKWARD = 2 * FEED_FORWARD
"""Widths of the widest stream that the backward pass needs at a time: both gradients of a feed-forward."""
FORWARD = FEED_FORWARD
"""The same for the end of the forward pass."""
MODULATED = 4
"""Widths more where the modulations' own weights learn: gradients of shifts, scales and gates."""
SAMPLING = 12
"""Widths of a pass without gradients: both sides of the feed-forward's activation, states, norms."""
MOMENTS = 2 * FLOAT32
"""Bytes of AdamW's two moments of a number."""
UPDATE = FLOAT32
"""Bytes per learning number that AdamW's update takes on a GPU, where it goes over all numbers at once."""


@dataclass(frozen=True)
class Activations:
    """Bytes beside the weights.

    Attributes:
        start: at the start of the backward pass, or at the end of the forward pass if that is more.
        end: at the end of the backward pass.
    """

    start: int
    end: int


@dataclass(frozen=True)
class Learning:
    """What learns, and what comes with it.

    Attributes:
        count: numbers, float32.
        half: whether autocast keeps a narrow copy of each during a step.
        gpu: whether the update goes over all numbers at once.
        moments: bytes of the optimizer's state (`optimizers.moment_bytes`); None: AdamW's.
        updating: bytes that an update takes (`optimizers.update_bytes`); None: AdamW's.
        averages: bytes of the weights' average on the device.
    """

    count: int
    half: bool
    gpu: bool
    moments: int | None = None
    updating: int | None = None
    averages: int = 0

    @property
    def kept(self) -> int:
        """Bytes that lie beside the weights between steps: moments and the average."""
        return self.averages + (self.count * MOMENTS if self.moments is None else self.moments)

    @property
    def start(self) -> int:
        """Bytes at the start of the backward pass: weights, moments, copies."""
        return self.kept + self.count * (FLOAT32 + (2 if self.half else 0))

    @property
    def end(self) -> int:
        """Bytes at its end: weights, moments, gradients."""
        return self.kept + self.count * (FLOAT32 + FLOAT32)

    @property
    def update(self) -> int:
        """Bytes during the optimizer's update."""
        adamw = self.count * UPDATE if self.gpu else 0
        return self.end + (adamw if self.updating is None else self.updating)


def recomputed_blocks(total: int, every: int, swapped: Collection[int] = ()) -> frozenset[int]:
    """Indices of blocks that recompute activations: every n-th (0: none), and those that are swapped."""
    chosen = range(0, total, every) if every else ()
    return frozenset((*chosen, *swapped))


def activations(
    shape: TransformerShape, load: Load, numbers: Arithmetic, recomputed: Collection[int]
) -> Activations:
    """What a training step keeps beside weights and gradients.

    Args:
        shape: of the transformer.
        load: tokens of one forward pass, over all samples of its batch.
        numbers: bytes of numbers, and what learns.
        recomputed: blocks that keep their inputs alone (`recomputed_blocks`).
    """
    block = saved_by_block(shape, load, numbers)
    inputs = sum(load.of(stream)[0] * stream.width for stream in shape.streams) * numbers.hidden
    sizes = [inputs if index in recomputed else block for index in range(shape.blocks)]
    rope = _rope(shape, load)
    levels = _levels(shape, load, numbers)
    text = _text(shape, load, numbers)
    widest = max(load.of(stream)[0] * stream.width for stream in shape.streams)
    work = widest * (BACKWARD * numbers.product + numbers.hidden)
    if numbers.trained:
        work += MODULATED * widest * numbers.product
    # Modulations of all blocks outlive the forward pass only where a block is computed again.
    held = levels if recomputed or numbers.trained else 0
    ended = sum(sizes) + rope + text + levels + widest * FORWARD * numbers.product
    backward = sum(sizes[:-1]) + block + rope + text + held + work
    return Activations(max(ended, backward), block + rope + text + held + work)


def inference(shape: TransformerShape, load: Load, numbers: Arithmetic) -> int:
    """Bytes beside the weights of a pass without gradients."""
    widest = max((load.of(stream)[0] * stream.width for stream in shape.streams), default=0)
    shared = _rope(shape, load) + _levels(shape, load, numbers) + _text(shape, load, numbers)
    across = 4 if shape.cross_inner else 0
    mods = sum((stream.mods + across) * load.of(stream)[1] * stream.width for stream in shape.streams)
    return shared + mods * numbers.levels + widest * SAMPLING * numbers.hidden


def training_peak(weights: int, learning: Learning, kept: Activations) -> int:
    """Bytes on the device at the most, in a step after the first.

    Args:
        weights: of what is frozen and resident.
        learning: what learns.
        kept: activations of one forward pass; passes of an accumulated step follow one another.
    """
    return weights + max(learning.start + kept.start, learning.end + kept.end, learning.update)


def _rope(shape: TransformerShape, load: Load) -> int:
    """Cosines and sines of positions, float32: half a width each where halves are turned together."""
    each = FLOAT32 if shape.split_rope else 2 * FLOAT32
    own = sum(load.of(stream)[0] * stream.inner for stream in shape.streams)
    across = sum(load.of(stream)[0] for stream in shape.streams) * shape.cross_inner
    return (own + across) * each


def _levels(shape: TransformerShape, load: Load, numbers: Arithmetic) -> int:
    """The levels' embeddings: modulations of a block, of the audio-video attentions, of the output."""
    across = 4 if shape.cross_inner else 0
    counts = ((stream.mods + 1 + across) * load.of(stream)[1] * stream.width for stream in shape.streams)
    return sum(counts) * numbers.product


def _text(shape: TransformerShape, load: Load, numbers: Arithmetic) -> int:
    """Contexts, and what the transformer projects them to where it does."""
    widths = sum(stream.text_width for stream in shape.streams)
    return load.text * (widths + shape.caption_width * len(shape.streams)) * numbers.product


def block_adapters(names: Mapping[str, int]) -> dict[str, int]:
    """Numbers of adapted layers by name within a block, of whole names (`transformer_blocks.0.attn1.to_q`):
    the most that any block has."""
    found: dict[str, int] = {}
    for name, rank in names.items():
        first, _, rest = name.partition(".")
        if first == "transformer_blocks":
            inner = rest.partition(".")[2]
            found[inner] = max(rank, found.get(inner, 0))
    return found
