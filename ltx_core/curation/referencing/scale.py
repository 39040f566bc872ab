"""Size and frames of a scaled reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ltx_core.curation.buckets import Bucket

if TYPE_CHECKING:
    from ltx_core.curation.options.references import ReferenceOptions


def reference_bucket(bucket: Bucket, options: ReferenceOptions) -> Bucket:
    """Size and frames of the reference of a clip in `bucket`; that they fit the model is not checked."""
    space, time = options.reference_downscale_factor, options.reference_temporal_scale_factor
    return Bucket(bucket.width // space, bucket.height // space, (bucket.frames - 1) // time + 1)
