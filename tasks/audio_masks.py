"""Which stretches of each clip's sound are generated, to look at and in latent steps."""

from __future__ import annotations

from tasks._stage import stage_task

audio_masks = stage_task("audio_masks", __doc__)
