"""How much a transformer block computes: what grows with the tokens, and what with their square. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from ltx_core.models.memory.block import Load
from ltx_core.models.memory.shape import FEED_FORWARD, StreamShape, TransformerShape


@dataclass(frozen=True)
class Work:
    """Floating-point operations of a forward pass.

    Attributes:
        linear: of layers that see one token at a time.
        attention: of tokens with tokens.
    """

    linear: float
    attention: float

    @property
    def all(self) -> float:
        """Both."""
        return self.linear + self.attention


def block_work(shape: TransformerShape, load: Load, samples: int) -> Work:
    """Of one block.

    Args:
        shape: of the transformer.
        load: tokens over all samples.
        samples: whose tokens see each other.
    """
    linear = attention = 0.0
    for stream in shape.streams:
        tokens = load.of(stream)[0]
        linear += _stream(stream, tokens, load.text)
        attention += 4 * stream.inner * tokens * (tokens + load.text) / samples
    if shape.video is not None and shape.audio is not None:
        video, audio = (load.of(stream)[0] for stream in (shape.video, shape.audio))
        widths = video * shape.video.width + audio * shape.audio.width
        linear += 2 * 4 * widths * shape.cross_inner
        attention += 2 * 4 * shape.cross_inner * video * audio / samples
    return Work(linear, attention)


def _stream(stream: StreamShape, tokens: int, text: int) -> float:
    """Self attention, queries and output of the text attention, feed-forward; keys and values of the text."""
    own = (6 * stream.inner + 2 * FEED_FORWARD * stream.width) * stream.width
    return 2.0 * (tokens * own + text * 2 * stream.text_width * stream.inner)


def step_flops(shape: TransformerShape, load: Load, *, full: bool) -> float:
    """Of a training step of one sample: what its gradients need, without anything that is computed again.

    A layer's backward pass takes as much as its forward pass for the gradient of its input, and as much again
    for that of its weights, which a LoRA's frozen layers do not have. Both sides of an attention's products
    have gradients in either case. Adapters, embeddings and norms are left out: below 2 % at rank 32.

    Args:
        shape: of the transformer.
        load: tokens of one sample.
        full: whether every weight learns.
    """
    work = block_work(shape, load, 1)
    return shape.blocks * ((3 if full else 2) * work.linear + 3 * work.attention)
