"""The reference video of each clip, such as its Canny edges."""

from __future__ import annotations

from tasks._stage import stage_task

references = stage_task("references", __doc__)
