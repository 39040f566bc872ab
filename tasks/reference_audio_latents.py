"""The reference sounds as latents."""

from __future__ import annotations

from tasks._stage import stage_task

reference_audio_latents = stage_task("reference_audio_latents", __doc__)
