"""scores: what is measured of every clip, and which clips the filters keep."""

from __future__ import annotations

from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context


def kept_clips(context: Context) -> list[Clip]:
    """The clips that all filters keep, in order of source and time.

    Raises:
        NotReadyError: when rows of an earlier stage are missing.
    """
    return all_clips(context)
