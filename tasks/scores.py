"""Measure every clip: arithmetic on what the pass over its source has seen and heard."""

from __future__ import annotations

from tasks._stage import stage_task

scores = stage_task("scores", __doc__)
