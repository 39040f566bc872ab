"""The published folder to a model hub, where the config asks for it."""

from __future__ import annotations

from tasks._stage import stage_task

push = stage_task("push", __doc__)
