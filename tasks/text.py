"""The captions' embeddings, of their valid tokens only."""

from __future__ import annotations

from tasks._stage import stage_task

text = stage_task("text", __doc__, gpu=True)
