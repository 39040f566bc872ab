"""Cut the scenes into clips of the wanted lengths, with exact frame ranges."""

from __future__ import annotations

from tasks._stage import stage_task

clips = stage_task("clips", __doc__)
