"""What batches of a dataset are made of: tokens of its shapes, and how often each sample comes. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from ltx_core.curation.buckets import Bucket, DurationBucket
from ltx_core.stages.context import Context
from ltx_core.stages.estimate_tokens import tokens_of
from ltx_core.store.dataset import Sample
from ltx_core.training.counts import Share


def shape_tokens(context: Context, samples: Sequence[Sample]) -> dict[str, int]:
    """Tokens of a sample of each shape, over all streams, attached references included."""
    first = {sample.shape: sample for sample in samples}
    return {shape: tokens_of(context, bucket_of(context, sample)).all for shape, sample in first.items()}


def bucket_of(context: Context, sample: Sample) -> Bucket:
    """The bucket of a sample."""
    if context.config.training_strategy.video is None:
        return DurationBucket.of(sample.duration)
    return Bucket.parse(sample.bucket)


def shares_of(samples: Sequence[Sample]) -> dict[str, Share]:
    """How often samples come in an epoch, where that is not once."""
    found = {sample.clip_id: (sample.repeats, sample.weight) for sample in samples}
    kinds = {kind: Share.of(*kind) for kind in set(found.values())}
    return {clip_id: kinds[kind] for clip_id, kind in found.items() if kind != (1, 1.0)}
