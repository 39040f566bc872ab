"""The latents of each reference video."""

from __future__ import annotations

from tasks._stage import stage_task

reference_latents = stage_task("reference_latents", __doc__, gpu=True)
