"""Choose the shapes that clips are fitted to, once, where the config leaves it to the footage."""

from __future__ import annotations

from tasks._stage import stage_task

buckets = stage_task("buckets", __doc__)
