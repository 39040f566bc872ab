"""Find the shots of every source in one pass over its frames."""

from __future__ import annotations

from tasks._stage import stage_task

scenes = stage_task("scenes", __doc__)
