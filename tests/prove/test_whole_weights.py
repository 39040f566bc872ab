"""Full training by the real command: killed, gone on with, its product whole, evaluated, sampled from."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from cli import Clone, finish, rows, running, until

STEPS = 18
OWN = (
    "model.training_mode=full",
    "optimization.learning_rate=1.0e-3",
    f"optimization.steps={STEPS}",
    "checkpoints.interval=3",
    "checkpoints.precision=float32",
    "validation.interval=null",
)
SAMPLE = ("--prompt", "a red ball", "--dims", "64x64x9")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "transformer").iterdir())}


@pytest.mark.prove
@pytest.mark.parametrize("config", ["demo", "t2a_lora"])
def test_every_weight_is_trained_through_a_kill_to_a_published_transformer(tmp_path: Path, config: str):
    from diffusers import LTX2Pipeline

    unbroken = Clone.make(tmp_path / "unbroken", *OWN)
    command = f"configs/{config}.yaml"
    unbroken.ltx("stage", "train", command)
    clone = Clone.make(tmp_path / "clone", *OWN)
    run = clone.start("run", command)
    until(lambda: any(clone.workspace.glob("runs/*/checkpoints/step_*")), seconds=200)
    (trainer,) = (one for one in running(clone.folder) if {"ltx_core", "train"} <= set(one.cmdline()))
    os.kill(trainer.pid, signal.SIGKILL)
    assert "the same command goes on from there" in finish(run, 1)
    until(lambda: not running(clone.folder), seconds=10)
    output = clone.ltx("run", command)

    (row,) = rows(clone.workspace)["train"].values()
    assert 3 <= row.columns["resumed_from"] < STEPS
    assert files(clone.run_folder()) == files(unbroken.run_folder())
    (evaluated,) = rows(clone.workspace)["evaluate"].values()
    for modality in clone.pipeline(config=config).config.training_strategy.streams:
        base, trained = (evaluated.columns[f"heldout_{modality}_{model}"] for model in ("base", "lora"))
        assert trained < 0.9 * base
    (published,) = (clone.workspace / "published").iterdir()
    assert str(published / "transformer") in output
    assert files(published) == files(clone.run_folder())
    card = (published / "README.md").read_text()
    assert 'subfolder="transformer"' in card and "load_lora_weights" not in card
    pipeline = LTX2Pipeline.from_pretrained(clone.folder / "data" / "model", local_files_only=True)
    own = pipeline.transformer.from_pretrained(published, subfolder="transformer", local_files_only=True)
    assert own.config.num_layers == pipeline.transformer.config.num_layers
    assert "cached" in clone.ltx("run", command)

    clone.ltx("sample", command, *SAMPLE)
    (index,) = clone.run_folder().glob("samples/sample-*/index.json")
    assert json.loads(index.read_text())["samples"][0]["prompt"] == "a red ball"
