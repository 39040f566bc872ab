"""The weights, their card and their lineage, in a folder to hand on."""

from __future__ import annotations

from tasks._stage import stage_task

publish = stage_task("publish", __doc__)
