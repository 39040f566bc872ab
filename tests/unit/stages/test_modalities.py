"""What a run loads: the modalities of its training and of its samples, and no layer of another."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltx_core.config.load import load
from ltx_core.models.names import modality_of
from ltx_core.run import Pipeline
from ltx_core.stages.batches import Rows, open_contexts
from ltx_core.stages.modalities import needed_modalities
from ltx_core.stages.network import base_of, open_training, open_velocity

ROOT = Path(__file__).parents[3]
VIDEO, SOUND = "training_strategy={video: {}}", "training_strategy={audio: {}}"
FOLEY = "validation.samples=[{prompt: x, conditions: [{type: video_to_audio, video: x.mp4}]}]"
BOTH = ("video", "audio")


def config(*overrides):
    return load(ROOT / "configs" / "base.yaml", ["workspace=/nowhere", *overrides], ROOT)


@pytest.mark.parametrize(
    ("overrides", "needed"),
    [
        ([VIDEO], ("video",)),
        ([SOUND], ("audio",)),
        (["training_strategy={video: {}, audio: {is_generated: false}}"], BOTH),
        ([VIDEO, "validation.generate_audio=true"], BOTH),
        (["training_strategy={video: {}, audio: {}}", "validation.generate_audio=false"], BOTH),
        ([VIDEO, FOLEY], BOTH),
        ([VIDEO, "validation.samples=[{prompt: x}]"], ("video",)),
    ],
)
def test_the_modalities_of_training_and_samples_are_needed(overrides, needed):
    assert needed_modalities(config(*overrides)) == needed


@pytest.mark.parametrize(("strategy", "alone"), [(VIDEO, "video"), (SOUND, "audio")])
@pytest.mark.parametrize("mode", ["lora", "full"])
def test_nothing_else_is_loaded_for_training_and_sampling(tmp_path, strategy, alone, mode):
    settings = (strategy, f"model.training_mode={mode}", "lora.target_modules=[to_k]")
    context = Pipeline(config(*settings, f"workspace={tmp_path}")).context
    for velocity in (open_training(context), open_velocity(context)):
        assert {modality_of(name) for name, _ in velocity.model.named_parameters()} == {alone}
    learns = {name for name, p in open_training(context).model.named_parameters() if p.requires_grad}
    assert learns and all((".lora_" in name) == (mode == "lora") for name in learns)
    connectors = open_contexts(context, Rows(context, [])).connectors.module
    assert {name.split(".")[0] for name, _ in connectors.named_parameters()} == {f"{alone}_connector"}


def test_layers_that_are_loaded_for_samples_alone_do_not_learn(tmp_path):
    wider = (SOUND, "validation.generate_video=true", "model.training_mode=full", f"workspace={tmp_path}")
    velocity = open_training(Pipeline(config(*wider)).context)
    learns = {modality_of(name) for name, p in velocity.model.named_parameters() if p.requires_grad}
    loaded = {modality_of(name) for name, _ in velocity.model.named_parameters()}
    assert learns == {"audio"} and loaded == {"video", "audio", "cross"}
    with pytest.raises(RuntimeError, match="no longer has its base's weights"), base_of(velocity):
        pass
