"""The reference sound of each clip, as WAV."""

from __future__ import annotations

from tasks._stage import stage_task

audio_references = stage_task("audio_references", __doc__)
