"""The video latents of each clip."""

from __future__ import annotations

from tasks._stage import stage_task

latents = stage_task("latents", __doc__, gpu=True)
