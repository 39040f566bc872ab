"""Bytes on disk of what a plan misses: exact for latents, else the average of rows that are stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from ltx_core.config.roles import MODALITIES
from ltx_core.models.headers import transformer_parameter_count
from ltx_core.stages.base import StagePlan
from ltx_core.stages.context import Context
from ltx_core.stages.estimate_tokens import clip_buckets, planned_buckets
from ltx_core.stages.folder import is_full
from ltx_core.stages.references import mean_tokens
from ltx_core.stages.tokens import tokens_of

PRECISION_BYTES = {"no": 4, "bf16": 2, "fp16": 2, "bfloat16": 2, "float32": 4}
"""Bytes of a number by `mixed_precision_mode`, `latents_dtype` and `checkpoints.precision`."""
CAPTION_TOKENS = 128
"""Tokens of a caption that is not written yet; a guess (about 90 words)."""


def store_bytes(
    context: Context, plans: Sequence[StagePlan], missing: Callable[[StagePlan], int | None]
) -> int | None:
    """Of the missing rows; None while the number of clips is unknown."""
    total = 0
    for plan in plans:
        rows = missing(plan)
        if rows is None:
            return None
        total += rows * _row_bytes(context, plan.stage) if rows else 0
    return total


def checkpoint_bytes(context: Context, trained: int, moments: int) -> int:
    """Of the checkpoints that a training keeps.

    Args:
        context: of the config.
        trained: numbers that learn.
        moments: bytes of the optimizer's state.
    """
    options, steps = context.config.checkpoints, context.config.optimization.steps
    written = 1 if options.interval is None else -(-steps // options.interval)
    kept = written if options.keep_last_n < 0 else min(written, max(1, options.keep_last_n))
    whole = transformer_parameter_count(context.info, MODALITIES) if is_full(context.config) else trained
    exact = 1 if context.config.optimization.ema_decay is None else 2
    state = 0 if options.save_training_state == "off" else trained * PRECISION_BYTES["float32"] * exact
    state += moments if options.save_training_state == "full" else 0
    return kept * (whole * PRECISION_BYTES[options.precision] + state)


def _row_bytes(context: Context, stage: str) -> int:
    """Bytes of one row's tensors and files: as computed from its shape, else the average of stored rows."""
    info, dataset = context.info, context.config.dataset
    width = PRECISION_BYTES[dataset.latents_dtype]
    buckets = clip_buckets(context) or planned_buckets(context)
    tokens = [tokens_of(context, bucket) for bucket in buckets]
    pictures = mean_tokens(context, buckets) if stage == "reference_latents" else 0.0
    video, audio = fmean(found.video for found in tokens), fmean(found.audio for found in tokens)
    exact = {
        "latents": video * info.video_channels * width,
        "reference_latents": pictures * info.video_channels * width,
        "audio_latents": audio * info.audio_channels * info.audio_bins * width,
        "reference_audio_latents": audio * info.audio_channels * info.audio_bins * width,
        "mask_latents": video * 4,
    }
    if stage in exact:
        return round(exact[stage])
    stored = [
        sum(tensor.length for tensor in row.tensors) + sum(file.length for file in row.files)
        for row in context.store.rows(stage)
        if row.ok
    ]
    if stored:
        return round(fmean(stored))
    return CAPTION_TOKENS * info.text_width * width if stage == "text" else 0
