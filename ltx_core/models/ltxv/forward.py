"""Our own forward pass over the submodules of diffusers' LTX-Video transformer, called as that of LTX-2.

Design choices
- Equal to diffusers' forward to float32 rounding for one level and for a level per token
  (`tests/unit/models/test_ltxv_forward.py`). Our own, so that spatio-temporal guidance, attached tokens and
  the treatment of blocks (recomputation, swapping) are those of LTX-2.
- Positions: the transformer reads the start of each interval; seconds, pixels, pixels. Causal or not is
  decided where positions are made (`VideoScale.causal`).
- The text mask is read off the context: a padded token is a row of zeros, which no feature of T5 is. So no
  mask travels beside the contexts.
- Levels and positions stay float32 whatever the weights' type.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from ltx_core.models.forward import MASKED
from ltx_core.models.ltxv.block import PreparedVideo, run_video_block
from ltx_core.models.run_blocks import run_blocks
from ltx_core.models.stream import Stream

TIMESTEP_SCALE = 1000.0
"""A level 0 to 1 times this is what the time embedding reads."""


def ltxv_forward(
    model: Any,
    video: Stream | None,
    audio: Stream | None,
    *,
    cross_attention: bool = True,
    stg_blocks: Collection[int] = (),
    checkpointing: int = 0,
) -> tuple[Tensor | None, Tensor | None]:
    """Predicted velocity `[B, N, C]` (noise - clean) of the video; there is no audio.

    Args:
        model: diffusers' `LTXVideoTransformer3DModel`, with or without LoRA adapters.
        video: the video stream; rows of zeros of its context are padding.
        audio: None.
        cross_attention: without effect, there is no other stream.
        stg_blocks: indices of blocks whose self attention is replaced by its values.
        checkpointing: recompute the activations of every block (1) or every n-th in the backward pass; 0:
            of none.

    Raises:
        ValueError: without a video stream, or with an audio stream.
        ModelError: when the model's blocks are to be compiled and cannot be.
    """
    if audio is not None:
        raise ValueError("LTX-Video has no audio; it got an audio stream. Use a model of the LTX-2 family")
    if video is None:
        raise ValueError("the transformer got no stream; LTX-Video needs video")
    projection = model.proj_in
    hidden: Tensor = projection(video.tokens.to(projection.weight.dtype))
    prepared = _prepare(model, video, hidden)
    last = run_blocks(
        model, run_video_block, prepared, hidden, stg_blocks=stg_blocks, checkpointing=checkpointing
    )
    return _output(model, prepared, last), None


def _prepare(model: Any, video: Stream, hidden: Tensor) -> PreparedVideo:
    modulation, embedded = _levels(model, video.timesteps, hidden.dtype)
    mask = video.context_mask
    if mask is None:
        mask = (video.context != 0).any(-1)
    # Given even where no token is masked: to find that out would wait for the device in every pass.
    bias = ((1 - mask.to(hidden.dtype)) * MASKED)[:, None]
    rope = model.rope(hidden, video_coords=video.positions[..., 0].float())
    return PreparedVideo(
        modulation, embedded, model.caption_projection(video.context.to(hidden.dtype)), bias, rope
    )


def _levels(model: Any, timesteps: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Modulation `[B, n, 6*D]` and embedding `[B, n, D]`; n is that of the levels."""
    levels = timesteps.float()
    batch, count = levels.shape
    modulation, embedded = model.time_embed(
        (levels * TIMESTEP_SCALE).flatten(), batch_size=batch, hidden_dtype=dtype
    )
    return modulation.view(batch, count, -1), embedded.view(batch, count, -1)


def _output(model: Any, p: PreparedVideo, hidden: Tensor) -> Tensor:
    shift, scale = (model.scale_shift_table[None, None] + p.embedded[:, :, None]).unbind(2)
    result: Tensor = model.proj_out(model.norm_out(hidden) * (1 + scale) + shift)
    return result
