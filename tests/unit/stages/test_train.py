"""The training stage on the demo's footage: what it begins from and what its key covers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ltx_core.config.load import load
from ltx_core.errors import ConfigError
from ltx_core.models.info import ModelError
from ltx_core.models.lora.file import read_lora
from ltx_core.models.names import modality_of
from ltx_core.models.safetensors_file import file_metadata
from ltx_core.run import Pipeline
from ltx_core.stages.folder import weights_of

ROOT = Path(__file__).parents[3]
SHORT = (
    "engine.threads=1",
    "acceleration.threads=1",
    "optimization.batch_size=1",
    "optimization.warmup_steps=0",
    "optimization.steps=1",
    "checkpoints.precision=float32",
    "validation.interval=null",
)


@pytest.fixture(scope="module")
def trained(one_film):
    """A function that opens a pipeline on one film of the demo, and trains; the run's folder with it."""
    workspace, source = one_film

    def run(*overrides, compute=True):
        settings = [f"workspace={workspace}", f"dataset.source={source}", *SHORT, *overrides]
        pipe = Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))
        if not compute:
            return pipe, None
        for stage in pipe.stages("train"):
            for chunk in pipe.plan(stage).chunks:
                pipe.compute(stage, chunk)
        return pipe, Path(pipe.manifest("train")["run"])

    return run


def test_a_training_goes_on_from_a_given_lora(trained):
    _, first = trained()
    again = (f"model.load_checkpoint={first}", "optimization.learning_rate=1e-12")
    pipe, second = trained(*again)
    assert second != first
    before, after = (read_lora(folder / "lora.safetensors").weights for folder in (first, second))
    assert before.keys() == after.keys() and any(b.abs().max() > 0 for _, b in before.values())
    for name, pair in before.items():
        for old, new in zip(pair, after[name], strict=True):
            torch.testing.assert_close(new, old, rtol=0, atol=1e-9)
    assert pipe.plan("train").cached == 1
    (first / "lora.safetensors").write_bytes(b"another")
    pipe, _ = trained(*again, compute=False)
    assert pipe.plan("train").cached == 0  # other bytes under the same path are another beginning


def test_a_lora_to_go_on_from_that_is_not_there_is_named(trained):
    with pytest.raises(ConfigError, match=r"model\.load_checkpoint .*nowhere does not exist; give"):
        trained("model.load_checkpoint=nowhere")


def test_every_weight_of_the_modes_modality_learns_and_a_training_goes_on_from_it(trained):
    mode = ("training_strategy={video: {}}", "model.training_mode=full", "optimization.learning_rate=1e-3")
    pipe, first = trained(*mode)
    base, one = (load_file(weights_of(folder / "transformer")) for folder in (ROOT / "data" / "model", first))
    changed = {name for name in base if not torch.equal(base[name], one[name])}
    assert changed == {name for name in base if modality_of(name) == "video"}
    metadata = file_metadata(weights_of(first / "transformer"))
    assert metadata["training_mode"] == "full" and metadata["mode"] == "t2v" and metadata["step"] == "1"
    (row,) = (row for _, row in pipe.context.results("train"))
    assert row.columns["weights_bytes"] == weights_of(first / "transformer").stat().st_size
    other, _ = trained(*mode, "lora.rank=3", compute=False)
    assert other.plan("train").cached == 1, "the section lora is not read"
    assert trained(mode[0], compute=False)[0].plan("train").cached == 0

    slow = (*mode[:2], f"model.load_checkpoint={first}", "optimization.learning_rate=1e-12")
    _, second = trained(*slow, "optimization.weight_decay=0")
    two = load_file(weights_of(second / "transformer"))
    assert all(torch.allclose(one[name], two[name], rtol=0, atol=1e-9) for name in one)
    with pytest.raises(ModelError, match="is no LoRA that can be read"):
        trained(f"model.load_checkpoint={weights_of(first / 'transformer')}")
    with pytest.raises(ConfigError, match=r"nowhere does not exist; .* holds transformer"):
        trained(*mode, "model.load_checkpoint=nowhere")
    weights_of(first / "transformer").unlink()
    assert trained(*mode, compute=False)[0].plan("train").cached == 0
    assert trained(*mode)[1] == first and load_file(weights_of(first / "transformer")).keys() == base.keys()


def test_a_report_depends_on_the_bytes_of_its_samples_files_and_not_on_the_interval(trained, tmp_path):
    file = tmp_path / "first.png"
    samples = (
        f"validation.samples=[{{prompt: x, conditions: [{{type: first_frame, image_or_video: {file}}}]}}]"
    )

    def key(*overrides):
        pipe, _ = trained(samples, *overrides, compute=False)
        stage = pipe.registry["evaluate"]
        return stage.key(pipe.context, ["dataset", "run"])

    file.write_bytes(b"one")
    first = key()
    assert key("validation.interval=7") == first
    file.write_bytes(b"another")
    assert key() != first
