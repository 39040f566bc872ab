"""Find the videos of the source folder, probe them and take their digests."""

from __future__ import annotations

from tasks._stage import stage_task

sources = stage_task("sources", __doc__)
