"""The mask of each clip over time, from a seed."""

from __future__ import annotations

from tasks._stage import stage_task

masks = stage_task("masks", __doc__)
