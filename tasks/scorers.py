"""Have functions of the user's own look at every clip and give it a score."""

from __future__ import annotations

from tasks._stage import stage_task

scorers = stage_task("scorers", __doc__)
