"""Bytes that a block's forward pass keeps for the backward pass, counted operation by operation. No torch.

Design choices
- A ledger of the operations of `block.py` and of diffusers' layers, not a fitted constant: what grows with
  tokens, text, levels per token, adapters or width is then right for every size. Equal to what autograd
  saves, counted tensor by tensor (`tests/unit/models/test_memory.py`).
- Frozen weights keep no input of a linear layer; an adapter keeps its own. Under autocast each adapter takes
  a copy of its input, otherwise layers with the same input share it.
- A fused RMS norm (GPUs) keeps its input, the composed one (CPU) a float32 copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ltx_core.models.memory.shape import FEED_FORWARD, StreamShape, TransformerShape

FLOAT32 = 4


@dataclass(frozen=True)
class Load:
    """What goes through the transformer at once, over all samples of a batch.

    Attributes:
        video, audio: tokens of each stream, attached ones included.
        text: tokens of the text context.
        video_levels, audio_levels: noise levels: as many as tokens, or one per sample.
    """

    video: int = 0
    audio: int = 0
    text: int = 0
    video_levels: int = 0
    audio_levels: int = 0

    def of(self, stream: StreamShape) -> tuple[int, int]:
        """Tokens and levels of a stream."""
        return (self.audio, self.audio_levels) if stream.prefix else (self.video, self.video_levels)


@dataclass(frozen=True)
class Arithmetic:
    """Bytes of numbers in a forward pass, and what learns.

    Attributes:
        hidden: of the hidden states that go from block to block.
        product: of what a matrix product gives.
        levels: of modulations.
        copies: whether a learning layer takes a copy of its input in another type (autocast).
        fused: whether RMS norms of queries and keys run as one kernel.
        trained: whether every weight learns; else the adapters alone.
        adapters: numbers that an adapter keeps per token beside its input, by the layer's name within a
            block (`attn1.to_q`): a LoRA's rank, and more of other kinds (`lora/shapes.kept_per_token`).
    """

    hidden: int
    product: int
    levels: int
    copies: bool
    fused: bool
    trained: bool = False
    adapters: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, precision: str, *, gpu: bool, trained: bool = False, adapters: Mapping[str, int] | None = None
    ) -> Arithmetic:
        """Of a `mixed_precision_mode`: adapters learn beside frozen weights of that type, a whole model in
        float32 whose products are of that type."""
        half = precision in ("bf16", "fp16")
        width = 2 if half else FLOAT32
        wide = FLOAT32 if trained else width
        # Float32 weights of a norm on a narrower input keep the fused kernel from being used.
        return cls(wide, width, wide, half, gpu and not (trained and half), trained, dict(adapters or {}))


def saved_by_block(shape: TransformerShape, load: Load, numbers: Arithmetic) -> int:
    """Bytes that the forward pass of one block keeps, its inputs included."""
    ledger = _Ledger(shape, load, numbers)
    for stream in shape.streams:
        ledger.stream(stream)
    if shape.video is not None and shape.audio is not None:
        ledger.cross(shape.video, shape.audio)
    return ledger.total


class _Ledger:
    def __init__(self, shape: TransformerShape, load: Load, numbers: Arithmetic) -> None:
        self.shape, self.load, self.numbers = shape, load, numbers
        self.total = 0

    def stream(self, s: StreamShape) -> None:
        """Self attention, text attention and feed-forward of one stream."""
        (tokens, levels), n = self.load.of(s), self.numbers
        self.total += s.mods * levels * s.width * n.levels
        self._norm(tokens, s.width)
        self._scaled(tokens, levels, s.width)
        self._attention(s, "attn1", tokens, None)
        self._gated_sum(tokens, s.width)
        self._text(s, tokens, levels)
        self._norm(tokens, s.width)
        self._scaled(tokens, levels, s.width)
        self._feed_forward(s, tokens)
        self._gated_sum(tokens, s.width)

    def cross(self, video: StreamShape, audio: StreamShape) -> None:
        """The audio-video attentions, each from the states before either."""
        for s in (video, audio):
            tokens, levels = self.load.of(s)
            self._norm(tokens, s.width)
            for _ in range(2):
                self._scaled(tokens, levels, s.width)
            if self.numbers.trained:
                self.total -= tokens * s.width * self.numbers.hidden  # one normed tensor serves both
        for query, key, name in (
            (video, audio, "audio_to_video_attn"),
            (audio, video, "video_to_audio_attn"),
        ):
            tokens, _ = self.load.of(query)
            self._attention(query, name, tokens, key)
            self._gated_sum(tokens, query.width)

    def _text(self, s: StreamShape, tokens: int, levels: int) -> None:
        if s.text_norm:
            self._norm(tokens, s.width)
        if s.mods == 9:
            self._scaled(tokens, levels, s.width)
        self._attention(s, "attn2", tokens, s)
        if s.mods == 9:
            self._gated_sum(tokens, s.width)

    def _norm(self, tokens: int, width: int) -> None:
        """diffusers' RMS norm: its input, a float32 copy of a narrower one, and the norms."""
        copy = FLOAT32 if self.numbers.hidden < FLOAT32 else 0
        self.total += tokens * (width * (self.numbers.hidden + copy) + FLOAT32)

    def _scaled(self, tokens: int, levels: int, width: int) -> None:
        """`y * (1 + scale) + shift`: the factor; also y where the levels' embedding learns."""
        self.total += levels * width * self.numbers.levels
        if self.numbers.trained:
            self.total += tokens * width * self.numbers.hidden

    def _gated_sum(self, tokens: int, width: int) -> None:
        """`x + y * gate`: the gate lies in the modulations; y where they learn."""
        if self.numbers.trained:
            self.total += tokens * width * self.numbers.product

    def _attention(self, s: StreamShape, name: str, tokens: int, key: StreamShape | None) -> None:
        """One attention: `key` None: over itself; the stream itself: over text; else over that stream."""
        n, own = self.numbers, key is None
        text, across = key is s, key is not None and key is not s
        heads, inner = (self.shape.cross_heads, self.shape.cross_inner) if across else (s.heads, s.inner)
        others, width = tokens, s.width
        if text:
            others, width = self.load.text, s.text_width
        elif across and key is not None:
            others, width = self.load.of(key)[0], key.width
        full = f"{s.prefix}{name}" if not across else name
        gate = [f"{full}.to_gate_logits"] if s.gated else []
        queries, keys = [f"{full}.to_q", *gate], [f"{full}.to_k", f"{full}.to_v"]
        if own:
            self._linear([*queries, *keys], tokens, s.width)
        else:
            self._linear(queries, tokens, s.width)
            # A context that no block changes is one tensor for all of them.
            self._linear(keys, others, width, shared=text and not s.prompt)
        self._qk_norm(tokens, inner)
        if not text or self._learns(keys[:1]):  # nothing goes back to a text that no layer learns from
            self._qk_norm(others, inner)
        if not text and self.shape.split_rope:
            self.total += (tokens + others) * inner * FLOAT32 // 2
        self.total += 2 * (tokens + others) * inner * n.product + tokens * heads * FLOAT32
        if s.gated:
            self.total += 2 * tokens * heads * n.product
        # What comes out of an attention without gates is kept by it already.
        self._linear([f"{full}.to_out.0"], tokens, inner, shared=not s.gated)

    def _qk_norm(self, tokens: int, inner: int) -> None:
        n = self.numbers
        kept = n.product if n.fused else FLOAT32
        if n.trained and not n.fused:
            kept += FLOAT32  # the normed numbers, which the norm's own weight learns from
        self.total += tokens * (inner * kept + FLOAT32)

    def _feed_forward(self, s: StreamShape, tokens: int) -> None:
        inner = FEED_FORWARD * s.width
        self._linear([f"{s.prefix}ff.net.0.proj"], tokens, s.width)
        self.total += tokens * inner * self.numbers.product
        self._linear([f"{s.prefix}ff.net.2"], tokens, inner)

    def _linear(self, names: list[str], tokens: int, width: int, shared: bool = False) -> None:
        """Inputs that learning layers on one tensor keep, and the adapters' inner numbers."""
        n = self.numbers
        learning = self._learns(names)
        if not learning:
            return
        # An adapter makes its copy by way of float32; a weight that learns takes what is narrow as it is.
        apart = n.copies and not (n.trained and shared)
        kept = learning if apart else (0 if shared else 1)
        self.total += kept * tokens * width * n.product
        self.total += tokens * n.product * sum(n.adapters.get(name, 0) for name in names)

    def _learns(self, names: list[str]) -> int:
        if self.numbers.trained:
            return len(names)
        return sum(name in self.numbers.adapters for name in names)
