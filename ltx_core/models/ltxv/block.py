"""One block of the LTX-Video transformer, over the submodules of diffusers' block.

Layers: self attention, text attention, feed-forward. The levels modulate the first and the last; the text
attention reads the hidden states as they are (`norm2` belongs to the feed-forward).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ltx_core.models.block import modulations_of


@dataclass(frozen=True)
class PreparedVideo:
    """What is the same in every block.

    Attributes:
        modulation: `[B, n, 6*D]`; n is N or 1.
        embedded: `[B, n, D]` the levels' embedding, for the output layer.
        context: `[B, S, D]` projected text.
        context_bias: `[B, 1, S]` added to the text attention's logits, or None.
        rope: cosines and sines of the tokens' positions.
    """

    modulation: Tensor
    embedded: Tensor
    context: Tensor
    context_bias: Tensor | None
    rope: tuple[Tensor, Tensor]


def run_video_block(block: Any, p: PreparedVideo, x: Tensor, perturbed: bool) -> Tensor:
    """Hidden states `[B, N, D]` after one block; `perturbed`: self attention replaced by its values."""
    shift, scale, gate, ff_shift, ff_scale, ff_gate = modulations_of(block.scale_shift_table, p.modulation)
    y = block.norm1(x) * (1 + scale) + shift
    attended = _values_only(block.attn1, y) if perturbed else block.attn1(y, image_rotary_emb=p.rope)
    x = x + attended * gate
    x = x + block.attn2(x, encoder_hidden_states=p.context, attention_mask=p.context_bias)
    y = block.norm2(x) * (1 + ff_scale) + ff_shift
    result: Tensor = x + block.ff(y) * ff_gate
    return result


def _values_only(attention: Any, x: Tensor) -> Tensor:
    """Self attention in which each token attends to itself alone (spatio-temporal guidance)."""
    result: Tensor = attention.to_out[1](attention.to_out[0](attention.to_v(x)))
    return result
