"""One transformer block for one or two streams, over the submodules of diffusers' block.

A block's layers per stream: self attention, text attention, cross attention with the other stream (when it
is there), feed-forward; each modulated by tables of the block plus embeddings of the noise levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

T = TypeVar("T")
Pair = tuple[T | None, T | None]
"""Something of the video stream and of the audio stream; None where there is no such stream."""


class Names(NamedTuple):
    """What a modality's modules are called in diffusers."""

    prefix: str
    rope: str
    cross_rope: str
    cross_norm: str
    cross_attention: str
    cross_table: str
    cross_scale_shift: str
    cross_gate: str


VIDEO = Names(
    prefix="",
    rope="rope",
    cross_rope="cross_attn_rope",
    cross_norm="audio_to_video_norm",
    cross_attention="audio_to_video_attn",
    cross_table="video_a2v_cross_attn_scale_shift_table",
    cross_scale_shift="av_cross_attn_video_scale_shift",
    cross_gate="av_cross_attn_video_a2v_gate",
)
AUDIO = Names(
    prefix="audio_",
    rope="audio_rope",
    cross_rope="cross_attn_audio_rope",
    cross_norm="video_to_audio_norm",
    cross_attention="video_to_audio_attn",
    cross_table="audio_a2v_cross_attn_scale_shift_table",
    cross_scale_shift="av_cross_attn_audio_scale_shift",
    cross_gate="av_cross_attn_audio_v2a_gate",
)


@dataclass(frozen=True)
class Cross:
    """What one stream brings to the audio-video attentions.

    Attributes:
        scale_shift: `[B, n, 4*D]` from the stream's own levels: scale and shift for audio-to-video, then
            scale and shift for video-to-audio.
        gate: `[B, 1, D]` from the other stream's level.
        rope: cosines and sines of the tokens' times.
    """

    scale_shift: Tensor
    gate: Tensor
    rope: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Prepared:
    """What of a stream is the same in every block.

    Attributes:
        names: what the modality's modules are called.
        modulation: `[B, n, 6*D]` (9*D with modulated text attention); n is N or 1.
        embedded: `[B, n, D]` the levels' embedding, for the output layer.
        context: `[B, S, K]` text.
        context_bias: `[B, 1, S]` added to the text attention's logits.
        prompt: `[B, 1, 2*D]` modulation of the text, where the model has one.
        rope: cosines and sines of the tokens' positions.
        present: `[B]` bool, see `Stream`.
        cross: None when the audio-video attentions do not run.
    """

    names: Names
    modulation: Tensor
    embedded: Tensor
    context: Tensor
    context_bias: Tensor | None
    prompt: Tensor | None
    rope: tuple[Tensor, Tensor]
    present: Tensor | None
    cross: Cross | None = None


def modulations_of(table: Tensor, embedded: Tensor) -> tuple[Tensor, ...]:
    """Sum of a block's table `[K, D]` and the levels' `[B, n, K*D]` as K tensors `[B, n, D]`."""
    batch, count, _ = embedded.shape
    return (table + embedded.view(batch, count, table.shape[0], -1)).unbind(2)


def run_block(block: Any, prepared: Pair[Prepared], hidden: Pair[Tensor], perturbed: bool) -> Pair[Tensor]:
    """One block: self and text attention of each stream, the cross attentions, feed-forward of each.

    Args:
        block: of diffusers' model.
        prepared: of video and audio; None where there is no such stream.
        hidden: `[B, N, D]` of video and audio, likewise.
        perturbed: self attention is replaced by its values.
    """
    streams = [(p, x) for p, x in zip(prepared, hidden, strict=True) if p is not None and x is not None]
    modulations = [
        modulations_of(getattr(block, p.names.prefix + "scale_shift_table"), p.modulation) for p, _ in streams
    ]
    states = [
        _text_attention(block, p, _self_attention(block, p, x, m, perturbed), m)
        for (p, x), m in zip(streams, modulations, strict=True)
    ]
    if len(streams) == 2 and streams[0][0].cross is not None:
        states = _cross_attentions(block, [p for p, _ in streams], states)
    results = iter(
        _feed_forward(block, p.names.prefix, x, m)
        for (p, _), x, m in zip(streams, states, modulations, strict=True)
    )
    video, audio = (None if p is None else next(results) for p in prepared)
    return video, audio


def _self_attention(
    block: Any, p: Prepared, x: Tensor, modulations: tuple[Tensor, ...], perturbed: bool
) -> Tensor:
    shift, scale, gate = modulations[:3]
    attention = getattr(block, p.names.prefix + "attn1")
    y = getattr(block, p.names.prefix + "norm1")(x) * (1 + scale) + shift
    attended = _values_only(attention, y) if perturbed else attention(y, query_rotary_emb=p.rope)
    result: Tensor = x + attended * gate
    return result


def _values_only(attention: Any, x: Tensor) -> Tensor:
    """Self attention in which each token attends to itself alone (spatio-temporal guidance)."""
    values: Tensor = attention.to_v(x)
    if attention.to_gate_logits is not None:
        gates = 2.0 * attention.to_gate_logits(x).sigmoid()
        heads = values.view(*values.shape[:2], attention.heads, -1)
        values = (heads * gates[..., None]).flatten(2)
    result: Tensor = attention.to_out[1](attention.to_out[0](values))
    return result


def _text_attention(block: Any, p: Prepared, x: Tensor, modulations: tuple[Tensor, ...]) -> Tensor:
    prefix, context = p.names.prefix, p.context
    y = getattr(block, prefix + "norm2")(x)
    if len(modulations) == 9:
        y = y * (1 + modulations[7]) + modulations[6]
    if block.cross_attn_adaln:
        table = getattr(block, prefix + "prompt_scale_shift_table")
        levels = p.prompt if p.prompt is not None else table.new_zeros(1, 1, table.numel())
        shift, scale = modulations_of(table, levels.to(context.dtype))
        context = context * (1 + scale) + shift
    attended = getattr(block, prefix + "attn2")(
        y, encoder_hidden_states=context, attention_mask=p.context_bias
    )
    if len(modulations) == 9:
        attended = attended * modulations[8]
    result: Tensor = x + attended
    return result


def _cross_attentions(block: Any, streams: list[Prepared], states: list[Tensor]) -> list[Tensor]:
    """Audio to video and video to audio, both from the states before either."""
    normed = [getattr(block, p.names.cross_norm)(x) for p, x in zip(streams, states, strict=True)]
    tables = [getattr(block, p.names.cross_table) for p in streams]
    mods = [
        modulations_of(table[:4], _cross(p).scale_shift) for p, table in zip(streams, tables, strict=True)
    ]
    results = []
    for query, key in ((0, 1), (1, 0)):
        # The first pair of a stream's modulations belongs to audio-to-video, the second to video-to-audio.
        scaled = [y * (1 + m[2 * query]) + m[2 * query + 1] for y, m in zip(normed, mods, strict=True)]
        attended = getattr(block, streams[query].names.cross_attention)(
            scaled[query],
            encoder_hidden_states=scaled[key],
            query_rotary_emb=_cross(streams[query]).rope,
            key_rotary_emb=_cross(streams[key]).rope,
        )
        (gate,) = modulations_of(tables[query][4:], _cross(streams[query]).gate)
        present = streams[key].present
        if present is not None:
            gate = gate * present.to(gate.dtype)[:, None, None]
        results.append(states[query] + gate * attended)
    return results


def _cross(prepared: Prepared) -> Cross:
    if prepared.cross is None:
        raise ValueError("cross attention needs both streams prepared for it")
    return prepared.cross


def _feed_forward(block: Any, prefix: str, x: Tensor, modulations: tuple[Tensor, ...]) -> Tensor:
    shift, scale, gate = modulations[3:6]
    y = getattr(block, prefix + "norm3")(x) * (1 + scale) + shift
    result: Tensor = x + getattr(block, prefix + "ff")(y) * gate
    return result
