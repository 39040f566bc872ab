"""The masks in latent units."""

from __future__ import annotations

from tasks._stage import stage_task

mask_latents = stage_task("mask_latents", __doc__)
