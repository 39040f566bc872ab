"""The training run; a process of its own, which saves its state when it is asked to end."""

from __future__ import annotations

from tasks._stage import stage_task

train = stage_task("train", __doc__, alone=True, gpu=True)
