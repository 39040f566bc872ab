"""The audio latents of each clip that has sound."""

from __future__ import annotations

from tasks._stage import stage_task

audio_latents = stage_task("audio_latents", __doc__, gpu=True)
