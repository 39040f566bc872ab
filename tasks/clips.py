"""Cut the sources into clips at their scenes, with exact frame ranges."""

from __future__ import annotations

from tasks._stage import stage_task

clips = stage_task("clips", __doc__)
