"""Frames of clips at the size of a preview: decoding makes them no larger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ltx_core.errors import LtxError
from ltx_core.media.errors import MediaError
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frames = NDArray[np.uint8]

STRIP_PIXELS = 128


def contact_strip(context: Context, clips: Sequence[Clip]) -> bytes | None:
    """The frames in the middle of some clips side by side, as PNG; what cannot be decoded is left out."""
    from ltx_core.media.sheet import png, side_by_side, thumbnail

    pictures = []
    for clip in clips:
        try:
            pictures.append(thumbnail(middle_frame(context, clip), STRIP_PIXELS))
        except (MediaError, LtxError):
            continue
    return png(side_by_side(pictures)) if pictures else None


def middle_frame(context: Context, clip: Clip) -> Frames:
    """The frame in the middle of a clip `[h, w, 3]`, at the size of a preview; nothing else is decoded.

    Raises:
        MediaError, LtxError: as `Models.frames`.
    """
    tiny, at = small(clip), clip.bucket.frames // 2
    one = replace(tiny, start_s=clip.start_s + at / clip.fps, bucket=replace(tiny.bucket, frames=1))
    frames = context.models.frames(one)
    return frames.reshape(frames.shape[1:])


def small(clip: Clip) -> Clip:
    """The clip at the size of its preview."""
    from ltx_core.evaluation.browsing.pictures import preview_size

    width, height = preview_size(clip.bucket.width, clip.bucket.height)
    return replace(clip, bucket=replace(clip.bucket, width=width, height=height))
