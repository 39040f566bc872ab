"""A sentence for each clip: beside it, from a dataset file, from an endpoint or from measured facts."""

from __future__ import annotations

from tasks._stage import stage_task

captions = stage_task("captions", __doc__)
