"""The rows of all columns as one manifest of samples, split into train and held-out."""

from __future__ import annotations

from tasks._stage import stage_task

dataset = stage_task("dataset", __doc__)
