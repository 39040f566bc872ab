"""The shapes that clips are fitted to."""

from __future__ import annotations

from ltx_core.curation.buckets import Bucket
from ltx_core.stages.context import Context


def buckets_of(context: Context) -> tuple[Bucket, ...]:
    """The buckets of the dataset.

    Raises:
        NotReadyError: when they are still to be chosen from the clips.
    """
    return context.config.dataset.buckets
