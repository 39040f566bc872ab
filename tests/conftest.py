"""Makes `tests/` a place to import helpers from, for unit tests and proofs, and says which files begin."""

from __future__ import annotations

from pathlib import Path

import pytest

LONGEST = (
    "prove/test_families.py",
    "prove/test_modes.py",
    "prove/test_cache.py",
    "prove/test_compiled_blocks.py",
    "prove/test_whole_weights.py",
    "prove/test_mistakes.py",
    "prove/test_kill.py",
    "flows/test_deployment.py",
    "flows/test_cli.py",
    "prove/test_published_and_pushed.py",
    "prove/test_learning.py",
    "prove/test_reference.py",
    "prove/test_kinds.py",
    "prove/test_processes.py",
    "prove/test_models_table.py",
    "unit/training/test_shares.py",
    "unit/models/test_quantise_training.py",
    "unit/models/test_export_lora.py",
    "unit/stages/test_stages.py",
    "unit/models/test_compile.py",
    "unit/stages/test_pictures.py",
    "unit/stages/test_estimate.py",
    "unit/stages/test_new_condition.py",
    "unit/stages/test_influence.py",
    "unit/stages/test_clip_pass.py",
    "unit/training/test_trackers.py",
    "unit/training/test_loop.py",
)
"""Files whose tests take long, in the order in which they begin: a file is one process's, and one that begins
late is a tail that the others have ended before."""


HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first (`--no-loadscope-reorder` keeps to it); the others as they come."""
    ranks = {HERE / name: rank for rank, name in enumerate(LONGEST)}
    if gone := [str(path) for path in ranks if not path.exists()]:
        raise pytest.UsageError(f"LONGEST in {__file__} names files that are gone: {', '.join(gone)}")
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))
