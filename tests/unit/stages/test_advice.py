"""What a plan advises for models of the real sizes, known by their headers alone."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import pytest
from accelerate import init_empty_weights

from ltx_core.config.load import load
from ltx_core.run import Pipeline
from ltx_core.stages.advice import advise
from ltx_core.stages.calibration import Calibration, Rate, fitted, recall, remember
from ltx_core.stages.device import memory_of
from ltx_core.stages.estimate_memory import Memory
from ltx_core.stages.settings import Settings
from ltx_core.stages.slowdown import Slowdown

ROOT = Path(__file__).parents[3]
GIB = 2**30
GEMMA = {"hidden_size": 3840, "intermediate_size": 15360, "num_hidden_layers": 48, "num_attention_heads": 16}


def headers_only(
    folder: Path, config: Mapping[str, Any], shapes: Iterable[tuple[str, tuple[int, ...]]]
) -> None:
    """A component whose file has its full length and no contents: a hole on the disk."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config, default=str))
    entries, at = {}, 0
    for name, shape in shapes:
        size = 2 * prod(shape)
        entries[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(entries).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + at)


def component(folder: Path, cls: Any, **sizes: Any) -> None:
    with init_empty_weights():
        module = cls(**sizes)
    config = {**dict(module.config), "_class_name": cls.__name__}
    headers_only(folder, config, ((n, tuple(p.shape)) for n, p in module.state_dict().items()))


def gemma_shapes() -> Iterable[tuple[str, tuple[int, ...]]]:
    """Gemma 3 12B's language model and a part of its vision tower, by the names of its file."""
    width, inner = GEMMA["hidden_size"], GEMMA["intermediate_size"]
    yield "model.language_model.embed_tokens.weight", (262208, width)
    yield "model.vision_tower.layer.weight", (1152, 1152)
    for index in range(GEMMA["num_hidden_layers"]):
        at = f"model.language_model.layers.{index}"
        for name, shape in {
            "self_attn.q_proj": (4096, width),
            "self_attn.k_proj": (2048, width),
            "self_attn.v_proj": (2048, width),
            "self_attn.o_proj": (width, 4096),
            "mlp.gate_proj": (inner, width),
            "mlp.up_proj": (inner, width),
            "mlp.down_proj": (width, inner),
        }.items():
            yield f"{at}.{name}.weight", shape


@pytest.fixture(scope="module")
def ltx2(tmp_path_factory):
    from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video, LTX2VideoTransformer3DModel
    from diffusers.pipelines.ltx2 import LTX2TextConnectors
    from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder

    folder = tmp_path_factory.mktemp("models") / "LTX-2"
    component(folder / "transformer", LTX2VideoTransformer3DModel, rope_type="split")
    component(folder / "vae", AutoencoderKLLTX2Video)
    component(folder / "audio_vae", AutoencoderKLLTX2Audio)
    component(folder / "vocoder", LTX2Vocoder)
    component(folder / "connectors", LTX2TextConnectors)
    headers_only(folder / "text_encoder", {"model_type": "gemma3", "text_config": GEMMA}, gemma_shapes())
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer_config.json").write_text('{"model_max_length": 1024}')
    return folder


@pytest.fixture
def pipeline(ltx2, tmp_path):
    """LTX-2 19B on clips of 960x544x89."""

    def open_pipeline(*overrides):
        settings = [
            f"workspace={tmp_path}",
            f"model.model_path={ltx2}",
            "dataset.buckets=[960x544x89]",
            "dataset.fps=24",
            "validation.video_dims=[960, 544, 89]",
            "acceleration.mixed_precision_mode=bf16",
            "optimization.batch_size=2",
        ]
        return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", [*settings, *overrides], ROOT))

    return open_pipeline


def on(found, size):
    return found.fit(found.device(memory_of(size)))


def test_real_numbers_in_two_seconds(pipeline):
    found = pipeline()
    began = time.process_time()
    fit = on(found, "80GiB")
    assert time.process_time() - began < 2
    needs = {need.stage: need for need in fit.needs}
    assert needs["text"].weights == pytest.approx(23.9 * 1e9 + 2 * 188160 * 3840, rel=0.02)
    # 18.88 billion weights in 2 bytes, the connectors without their projections, the LoRA in 4 bytes.
    lora = 4 * Memory(found.context, True).trained
    assert needs["train"].weights == pytest.approx(37.75e9 + 2 * 0.709e9 + lora, rel=0.002)
    assert Memory(found.context, True).weights(Settings.of(found.config)).blocks[0] / 2**20 == pytest.approx(
        736, abs=1
    )
    (tokens,) = Memory(found.context, True).tokens
    assert (tokens.video, tokens.audio) == (6120, 93)
    # A block keeps gigabytes of such a clip: without recomputation no GPU holds two samples.
    assert needs["train"].activations > 100 * GIB and not fit.fits


@pytest.mark.parametrize("size", ["141GiB", "80GiB", "48GiB", "24GiB"])
def test_what_is_advised_fits_when_it_is_followed(pipeline, size):
    found = pipeline()
    advice = on(found, size).advice
    assert advice.steps and not advice.short
    changes = " ".join(step.change for step in advice.steps).split()
    followed = pipeline(*changes)
    fit = on(followed, size)
    assert fit.fits and not fit.advice.steps
    assert Settings.of(followed.config) == advice.settings
    assert all(step.saves > 0 for step in advice.steps)


def test_smaller_devices_cost_more_speed(pipeline):
    memory = Memory(pipeline().context, True)
    slowdown = Slowdown(memory, None)
    base = Settings.of(memory.config)
    factors = [
        slowdown.factor(advise(memory, slowdown, size * GIB).settings, base)
        for size in (300, 141, 80, 48, 32, 24, 20)
    ]
    assert factors == sorted(factors) and factors[0] == 1
    assert factors[-1] < 2


def test_a_small_card_quantises_and_swaps(pipeline):
    advice = on(pipeline(), "24GiB").advice
    stages = {step.stage for step in advice.steps}
    assert {"text", "train"} <= stages
    settings = advice.settings
    assert settings.method == "int8" and settings.text_method == "int8"
    assert settings.swap > 0 and settings.every == 1
    costs = [step.slower for step in advice.steps if step.slower is not None]
    names = [step.change.partition("=")[0] for step in advice.steps]
    swap = names.index("acceleration.blocks_to_swap")
    assert names.index("optimization.enable_gradient_checkpointing") < swap
    assert min(costs) >= 0.99


def test_what_cannot_fit_is_said(pipeline):
    advice = on(pipeline(), "6GiB").advice
    assert "train" in advice.short
    assert advice.settings.swap == 48 and advice.settings.method == "nf4" and advice.settings.batch == 1


def test_a_full_training_is_never_told_to_quantise_or_swap(pipeline):
    found = pipeline("model.training_mode=full", "optimization.batch_size=4")
    fit = on(found, "80GiB")
    (train,) = [need for need in fit.needs if need.stage == "train"]
    assert train.peak > 18.88e9 * 16
    assert fit.advice.settings.method is None and fit.advice.settings.swap == 0
    assert "train" in fit.advice.short


def test_measured_speed_decides_what_swapping_costs(pipeline):
    memory = Memory(pipeline("optimization.enable_gradient_checkpointing=true").context, True)
    settings = Settings.of(memory.config)
    swapped = Settings(**{**vars(settings), "swap": 40})

    def factor(speed: float) -> float:
        rate = Rate(1 / speed, 1 / speed)
        found = Calibration("a GPU", rate, Rate(2 / speed, 2.5 / speed), 0.0)
        return Slowdown(memory, found).factor(swapped, settings)

    slow, fast = factor(20e12), factor(900e12)
    assert 1 < slow < 1.1 < fast  # beside slow computing a fetch is hidden, beside fast computing it is not


def test_calibrations_are_kept_apart_and_fit_two_sizes(tmp_path):
    from ltx_core.models.memory.work import Work

    rate = fitted((Work(1e9, 1e8), 1e9 * 2e-12 + 1e8 * 3e-12), (Work(2e9, 4e8), 2e9 * 2e-12 + 4e8 * 3e-12))
    assert rate.linear == pytest.approx(2e-12) and rate.attention == pytest.approx(3e-12)
    noisy = fitted((Work(1e9, 1e8), 2.0), (Work(2e9, 4e8), 1.0))
    assert noisy.linear == noisy.attention == pytest.approx(1 / 2.4e9)
    assert recall(tmp_path, "one") is None
    found = Calibration("a GPU", rate, rate, 1e-6)
    remember(tmp_path, "one", found)
    remember(tmp_path, "two", Calibration("another", noisy, noisy, 0.0))
    assert recall(tmp_path, "one") == found and recall(tmp_path, "two").device == "another"
    for damaged in ("{", "[]", '{"one": 3}', '{"one": {"device": "x"}}'):
        (tmp_path / "calibration.json").write_text(damaged)
        assert recall(tmp_path, "one") is None


def test_what_processes_share_out_is_counted_for_one_of_them(pipeline):
    full = ("model.training_mode=full", "optimization.optimizer_type=adamw")
    full += ("optimization.enable_gradient_checkpointing=true",)
    shared = ("acceleration.distribution=fsdp", "acceleration.processes=8")
    whole, copied, part = (
        next(need for need in on(pipeline(*full, *more), "80GiB").needs if need.stage == "train")
        for more in ((), ("acceleration.processes=8",), shared)
    )
    assert copied == whole
    assert part.weights + part.state < (whole.weights + whole.state) / 4  # a pass holds two blocks whole
    lora, base = (pipeline(*more) for more in ((), shared))
    weights = [Memory(one.context, True).training(Settings.of(one.config)).weights for one in (base, lora)]
    assert 3 * weights[0] < weights[1]
    assert on(pipeline(*shared), "16GiB").advice.settings.swap == 0
