"""The trained LoRA against its base model: losses, samples and the report."""

from __future__ import annotations

from tasks._stage import stage_task

evaluate = stage_task("evaluate", __doc__, gpu=True)
