"""Training again on what the source folder holds now.

The store knows what it has: without a change every stage is cached and the run takes seconds.
"""

from __future__ import annotations

from typing import Any

from flows._run import ltx_flow
from flows.train_lora import train_lora


@ltx_flow("retrain")
def retrain(config: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Run `train-lora` on the folder's present content."""
    return train_lora(config, overrides)
