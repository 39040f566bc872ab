"""What a training's speed depends on and its result does not, from its config, its buckets and its device."""

from __future__ import annotations

from collections.abc import Sequence

from ltx_core.models.memory.shape import transformer_shape
from ltx_core.models.memory.work import step_flops
from ltx_core.stages.context import Context
from ltx_core.stages.folder import is_full
from ltx_core.stages.mixture import bucket_of
from ltx_core.stages.recompute import checkpointing_of
from ltx_core.stages.tokens import tokens_of
from ltx_core.store.dataset import Sample
from ltx_core.training.speed import Pace


def pace_of(context: Context, samples: Sequence[Sample]) -> Pace:
    """The pace of a training on `samples`."""
    place = context.config.acceleration
    facts = {"recomputed_blocks": recomputed_words(checkpointing_of(context)), "attention": place.attention}
    return Pace(
        flops=sample_flops(context, samples),
        fused=place.fused_optimizer,
        preflight=place.preflight_step,
        facts=facts | ({"compile": place.compile_mode} if place.compile else {}),
    )


def sample_flops(context: Context, samples: Sequence[Sample]) -> dict[str, float]:
    """Operations of a training step for a sample of each shape."""
    config, info = context.config, context.info
    shape = transformer_shape(info.config("transformer"), list(config.training_strategy.streams))
    first = {sample.shape: sample for sample in samples}
    found = {}
    for name, sample in first.items():
        load = tokens_of(context, bucket_of(context, sample)).load(1, info.context_tokens)
        found[name] = step_flops(shape, load, full=is_full(config))
    return found


def recomputed_words(every: int) -> str:
    """`none`, `all` or `one of 3`, for people."""
    if every < 2:
        return ("none", "all")[every]
    return f"one of {every}"
