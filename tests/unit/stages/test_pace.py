"""Settings of speed through the stages: what is chosen, what it reaches; the key knows none of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ltx_core.config.load import load
from ltx_core.config.public import refusals
from ltx_core.errors import LtxError
from ltx_core.models.attention import ATTRIBUTE, choose_attention
from ltx_core.models.compiling import MODE
from ltx_core.models.forward import transformer_forward
from ltx_core.models.lora.adapters import add_lora
from ltx_core.models.memory.block import Load
from ltx_core.models.memory.shape import transformer_shape
from ltx_core.models.memory.work import step_flops
from ltx_core.models.options import LoraOptions
from ltx_core.models.stream import Stream
from ltx_core.run import Pipeline
from ltx_core.stages import recompute
from ltx_core.stages.advice import EVERY
from ltx_core.stages.device import Device
from ltx_core.stages.estimate_memory import Memory
from ltx_core.stages.network import open_training
from ltx_core.stages.pace import pace_of, recomputed_words
from ltx_core.stages.recompute import checkpointing_of, least_that_fits
from ltx_core.stages.settings import Settings
from ltx_core.store.dataset import Sample

ROOT = Path(__file__).parents[3]
AUTO = "optimization.enable_gradient_checkpointing=auto"
PACE = (
    AUTO,
    "acceleration.compile_mode=max-autotune-no-cudagraphs",
    "acceleration.compile=true",
    "acceleration.attention=math",
    "acceleration.preflight_step=true",
    "acceleration.fused_optimizer=false",
    "data.num_dataloader_workers=0",
)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A function that opens a pipeline on one film of the demo."""
    workspace, source = tmp_path_factory.mktemp("workspace"), tmp_path_factory.mktemp("footage")
    shutil.copy(ROOT / "data" / "footage" / "silent_film.mp4", source)

    def open_pipeline(*overrides):
        settings = [f"workspace={workspace}", f"dataset.source={source}", *overrides]
        return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))

    return open_pipeline


def test_auto_recomputes_as_little_as_fits_the_device(opened):
    context = opened(AUTO).context
    memory, stated = Memory(context, False), Settings.of(context.config)
    peaks = {every: memory.training(replace(stated, every=every)).peak for every in (0, *EVERY)}
    assert sorted(peaks.values(), reverse=True) == list(peaks.values()), "the more, the less memory"
    for peak in peaks.values():
        exactly = least_that_fits(context, Device("", False, peak, peak))
        assert peaks[exactly] == peak and exactly in (0, *EVERY)
        assert exactly == next(other for other in peaks if peaks[other] == peak)
    assert least_that_fits(context, Device("", False, 1, 1)) == 1, "where nothing fits, all"


def test_auto_is_chosen_once_and_reaches_the_transformer(opened, monkeypatch):
    pipe, asked = opened(*PACE), []
    memory, stated = Memory(pipe.context, False), Settings.of(pipe.context.config)
    room = memory.training(replace(stated, every=2)).peak

    def device(config):
        asked.append(config)
        return Device("", False, room, room)

    monkeypatch.setattr(recompute, "find_device", device)
    found = open_training(pipe.context)
    expected = checkpointing_of(pipe.context)
    assert expected in (2, 3, 4, 8) and found.checkpointing == expected and len(asked) == 1
    assert (getattr(found.model, MODE), getattr(found.model, ATTRIBUTE)) == (
        "max-autotune-no-cudagraphs",
        "math",
    )
    facts = {"source": "", "split": "train", "fps": 8.0, "duration": 1.125, "columns": {}}
    texts = {"caption": "", "caption_source": "", "has_audio": False, "no_audio_reason": ""}
    sample = Sample("a", "a", bucket="64x64x9", **facts, **texts)
    pace = pace_of(pipe.context, [sample])
    assert (pace.fused, pace.preflight) == (False, True) and pace.flops[sample.shape] > 1e6
    assert pace.facts == {
        "recomputed_blocks": recomputed_words(expected),
        "attention": "math",
        "compile": "max-autotune-no-cudagraphs",
    }


def test_the_key_knows_nothing_of_the_pace(opened):
    plain, paced = opened().context, opened(*PACE).context
    train = plain.registry["train"]
    assert train.section(plain) == train.section(paced)


def test_what_makes_no_sense_together_is_refused(opened):
    def reasons(*overrides):
        try:
            return " ".join(refusals(opened(*overrides).context.config))
        except LtxError as error:
            return str(error)

    assert "compile_mode 'reduce-overhead' records where the weights lie" in reasons(
        "acceleration.compile=true",
        "acceleration.compile_mode=reduce-overhead",
        "acceleration.blocks_to_swap=1",
    )
    assert "acceleration.attention is 'cudnn', which needs a GPU" in reasons(
        "acceleration.attention=cudnn", "acceleration.device=cpu"
    )
    assert "takes 16-bit numbers" in reasons(
        "acceleration.attention=flash",
        "acceleration.device=cuda",
        "acceleration.mixed_precision_mode='no'",
    )
    assert "the optimizer is 'adafactor'" in reasons(
        "acceleration.fused_optimizer=true",
        "optimization.optimizer_type=adafactor",
        "optimization.betas=[0.9, 0.999]",
    )
    assert "checkpoint_every is 2" in reasons(AUTO, "optimization.checkpoint_every=2")


@pytest.mark.parametrize("full", [False, True])
def test_operations_of_a_step_are_those_that_run(full):
    """Counted by torch on a shape whose embeddings weigh little; attention by products that it counts."""
    from diffusers import LTX2VideoTransformer3DModel

    sizes = {"num_attention_heads": 4, "attention_head_dim": 48, "cross_attention_dim": 192, "num_layers": 3}
    sound = {f"audio_{name}": value for name, value in sizes.items() if name != "num_layers"}
    with torch.device("meta"):
        model = LTX2VideoTransformer3DModel(
            **sizes, **sound, caption_channels=64, use_prompt_embeddings=False
        )
    config = dict(model.config)
    if not full:
        add_lora(model, LoraOptions(rank=1), 0, ["video"])
    tokens, text, meta = 300, 40, torch.device("meta")
    choose_attention(model, "math", meta, torch.float32)
    stream = Stream(
        tokens=torch.empty(1, tokens, 128, device=meta),
        timesteps=torch.empty(1, 1, device=meta),
        sigma=torch.empty(1, device=meta),
        positions=torch.empty(1, 3, tokens, 2, device=meta),
        context=torch.empty(1, text, 192, device=meta),
    )
    with FlopCounterMode(display=False) as counter:
        transformer_forward(model, stream, None)[0].sum().backward()
    expected = step_flops(transformer_shape(config, ["video"]), Load(tokens, 0, text, 1, 0), full=full)
    assert expected == pytest.approx(counter.get_total_flops(), rel=0.08)
