"""Our own forward pass over the submodules of diffusers' LTX-2 transformer.

Design choices
- diffusers 0.42's own forward computes the modulation of the audio-video cross attentions from the wrong
  levels as soon as any token is conditioned or the two modalities have different levels. Here, as in the
  reference: scale and shift of a stream come from its OWN per-token levels, the gate from the OTHER
  stream's level. Equal to the reference to float32 rounding (`tests/golden/test_forward.py`), and to
  diffusers' forward where that one is right.
- Either stream may be absent: then no layer of it runs.
- Levels and positions stay float32 whatever the weights' type.
- Spatio-temporal guidance replaces self attention by its values, whatever attention processor the model
  was built with (an LTX-2.0 config would silently ignore it).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from ltx_core.models.block import AUDIO, VIDEO, Cross, Names, Prepared, run_block
from ltx_core.models.run_blocks import run_blocks
from ltx_core.models.stream import Stream

MASKED = -10000.0
"""Attention bias of a masked text token (diffusers)."""


def transformer_forward(
    model: Any,
    video: Stream | None,
    audio: Stream | None,
    *,
    cross_attention: bool = True,
    stg_blocks: Collection[int] = (),
    checkpointing: int = 0,
) -> tuple[Tensor | None, Tensor | None]:
    """Predicted velocities `[B, N, C]` (noise - clean) of the streams that are there.

    Args:
        model: diffusers' `LTX2VideoTransformer3DModel`, with or without LoRA adapters.
        video: the video stream, or None: no video layer runs.
        audio: the audio stream, or None: no audio layer runs.
        cross_attention: False switches both audio-video attentions off (modality guidance).
        stg_blocks: indices of blocks whose self attention is replaced by its values.
        checkpointing: recompute the activations of every block (1) or every n-th in the backward pass; 0:
            of none.

    Raises:
        ValueError: when both streams are None.
        ModelError: when the model's blocks are to be compiled and cannot be.
    """
    if video is None and audio is None:
        raise ValueError("the transformer got no stream; at least one of video and audio must be there")
    streams = ((VIDEO, video, audio), (AUDIO, audio, video))
    hidden = [None if own is None else _project(model, names, own) for names, own, _ in streams]
    prepared = [
        None
        if own is None or state is None
        else _prepare(model, names, own, other if cross_attention else None, state.dtype)
        for (names, own, other), state in zip(streams, hidden, strict=True)
    ]
    last = run_blocks(
        model,
        run_block,
        (prepared[0], prepared[1]),
        (hidden[0], hidden[1]),
        stg_blocks=stg_blocks,
        checkpointing=checkpointing,
    )
    outputs = [
        None if p is None or state is None else _output(model, p, state)
        for p, state in zip(prepared, last, strict=True)
    ]
    return outputs[0], outputs[1]


def _project(model: Any, names: Names, stream: Stream) -> Tensor:
    """Tokens as hidden states `[B, N, D]`, with the keyframe marker where the model has one."""
    projection = getattr(model, names.prefix + "proj_in")
    hidden: Tensor = projection(stream.tokens.to(projection.weight.dtype))
    if names is VIDEO and stream.marker is not None and model.config.use_keyframes_abs_pos_embedding:
        marker = stream.marker.to(hidden.dtype)[..., None]
        hidden = hidden + marker * model.keyframes_abs_pos_embedding.to(hidden.dtype)
    return hidden


def _prepare(model: Any, names: Names, stream: Stream, other: Stream | None, dtype: torch.dtype) -> Prepared:
    config = model.config
    timesteps = stream.timesteps.float() * config.timestep_scale_multiplier
    sigma = stream.sigma.float()[:, None] * config.timestep_scale_multiplier
    modulation, embedded = _embed(getattr(model, names.prefix + "time_embed"), timesteps, dtype)
    context = stream.context.to(dtype)
    if config.use_prompt_embeddings:
        context = getattr(model, names.prefix + "caption_projection")(context)
    prompt = None
    if model.prompt_modulation and config.use_prompt_adaln_single:
        prompt, _ = _embed(getattr(model, names.prefix + "prompt_adaln"), sigma, dtype)
    bias = None
    if stream.context_mask is not None:
        bias = ((1 - stream.context_mask.to(dtype)) * MASKED)[:, None]
    cross = None
    if other is not None:
        factor = config.cross_attn_timestep_scale_multiplier / config.timestep_scale_multiplier
        gate_sigma = other.sigma.float()[:, None] * config.timestep_scale_multiplier * factor
        cross = Cross(
            scale_shift=_embed(getattr(model, names.cross_scale_shift), timesteps, dtype)[0],
            gate=_embed(getattr(model, names.cross_gate), gate_sigma, dtype)[0],
            rope=getattr(model, names.cross_rope)(stream.positions[:, :1].float()),
        )
    rope = getattr(model, names.rope)(stream.positions.float())
    return Prepared(
        names, modulation, embedded, context, bias, prompt, rope, present=stream.present, cross=cross
    )


def _embed(module: nn.Module, levels: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """AdaLN output `[B, n, K*D]` and embedding `[B, n, D]` of scaled levels `[B, n]`."""
    batch, count = levels.shape
    modulation, embedded = module(levels.flatten(), batch_size=batch, hidden_dtype=dtype)
    return modulation.view(batch, count, -1), embedded.view(batch, count, -1)


def _output(model: Any, p: Prepared, hidden: Tensor) -> Tensor:
    prefix = p.names.prefix
    table = getattr(model, prefix + "scale_shift_table")
    shift, scale = (table[None, None] + p.embedded[:, :, None]).unbind(2)
    normed = getattr(model, prefix + "norm_out")(hidden) * (1 + scale) + shift
    result: Tensor = getattr(model, prefix + "proj_out")(normed)
    return result
