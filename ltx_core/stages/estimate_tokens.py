"""Buckets that a plan counts with: those of the clips, else those that are stated or could be chosen."""

from __future__ import annotations

from collections.abc import Sequence

from ltx_core.curation.buckets import Bucket, DurationBucket
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.buckets import buckets_of, widest_of
from ltx_core.stages.context import Context
from ltx_core.stages.imported_dataset import imported_buckets
from ltx_core.stages.scores import kept_clips


def clip_buckets(context: Context) -> list[Bucket] | None:
    """The bucket of every clip, or None before the films are cut."""
    try:
        if context.config.imported:
            return imported_buckets(context)
        return [clip.bucket for clip in kept_clips(context)]
    except NotReadyError:
        return None


def planned_buckets(context: Context) -> Sequence[Bucket]:
    """The dataset's buckets: durations in a mode without video; those of imported data, once it is; before
    buckets are chosen, the largest that could be."""
    dataset = context.config.dataset
    if context.config.imported and (found := clip_buckets(context)):
        return sorted(set(found))
    if context.config.training_strategy.video is None:
        return [DurationBucket.of(seconds) for seconds in dataset.durations]
    try:
        return buckets_of(context)
    except NotReadyError:
        return widest_of(context)
