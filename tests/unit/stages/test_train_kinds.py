"""A LoKr and a DoRA through whole trainings of the demo's model: learned, saved, gone on with, merged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from ltx_core.config.load import load
from ltx_core.models.lora.file import read_lora
from ltx_core.models.names import owner_of
from ltx_core.run import Pipeline
from ltx_core.stages.export import Export, export
from ltx_core.stages.network import base_of, open_velocity

ROOT = Path(__file__).parents[3]
SHORT = (
    "engine.threads=1",
    "acceleration.threads=1",
    "optimization.batch_size=1",
    "optimization.warmup_steps=0",
    "optimization.learning_rate=0.05",
    "optimization.steps=2",
    "checkpoints.precision=float32",
    "validation.interval=null",
)
KINDS = {
    "lokr": (
        "lora.kind=lokr",
        "lora.rank=2",
        "lora.alpha=2",
        "optimization.frozen=[audio]",
        "lora.layers=0-1",
    ),
    "dora": ("lora.use_dora=true", "lora.use_rslora=true", "lora.rank_pattern={to_k: 2}"),
}


@pytest.mark.prove
@pytest.mark.parametrize("name", KINDS)
def test_it_is_trained_saved_sampled_from_gone_on_with_and_merged(name, tmp_path):
    source = tmp_path / "footage"
    source.mkdir()
    for path in (ROOT / "data" / "footage").glob("wide*"):
        shutil.copy(path, source)

    def train(*overrides):
        settings = [f"workspace={tmp_path}/w", f"dataset.source={source}", *SHORT, *KINDS[name], *overrides]
        pipe = Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))
        for stage in pipe.stages("train"):
            for chunk in pipe.plan(stage).chunks:
                pipe.compute(stage, chunk)
        return pipe, Path(pipe.manifest("train")["run"])

    pipe, run = train()
    file = read_lora(run / "lora.safetensors")
    assert file.kind == ("lokr" if name == "lokr" else "lora") and bool(file.lengths) == (name == "dora")
    if name == "lokr":
        assert {owner_of(module) for module in file.modules} == {"video"}
        assert {module.split(".")[1] for module in file.modules} == {"0", "1"}
    assert all(file.change(module).abs().max() > 0 for module in file.modules)
    velocity = open_velocity(pipe.context, run / "lora.safetensors")
    with base_of(velocity):
        assert velocity.model.transformer_blocks is not None
    pipe, second = train(f"model.load_checkpoint={run}", "optimization.learning_rate=1e-12")
    assert second != run
    again = read_lora(second / "lora.safetensors")
    for module in file.modules:
        torch.testing.assert_close(again.change(module), file.change(module), rtol=1e-5, atol=1e-7)
    out, _ = export(Export(run / "lora.safetensors", "merged", tmp_path / "merged", pipe.config.model.read()))
    assert (out / "transformer" / "diffusion_pytorch_model.safetensors").is_file()
