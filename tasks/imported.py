"""Take data that the public trainer prepared into the store."""

from __future__ import annotations

from tasks._stage import stage_task

imported = stage_task("imported", __doc__)
