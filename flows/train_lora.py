"""The main job: a folder of videos becomes a trained LoRA with a report."""

from __future__ import annotations

from typing import Any

from flows._run import ltx_flow, open_run, run_needed
from flows.prepare_dataset import prepare
from tasks.evaluate import evaluate
from tasks.publish import publish
from tasks.push import push
from tasks.train import train


@ltx_flow("train-lora")
def train_lora(config: str, overrides: list[str] | None = None) -> dict[str, Any]:
    """Prepare the dataset of `config`, train, evaluate, publish, push; `overrides` are `key=value` texts."""
    with open_run(config, overrides) as work:
        return prepare(work) | run_needed((train, evaluate, publish, push), work)
