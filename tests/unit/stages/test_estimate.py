"""What a plan says of time, memory and disk, against what is then really used."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from ltx_core.config.load import load
from ltx_core.errors import ConfigError
from ltx_core.models.headers import (
    lora_parameter_count,
    parameter_count,
    transformer_parameter_count,
    weight_shapes,
)
from ltx_core.models.info import ModelError, ModelInfo
from ltx_core.models.options import LoraOptions
from ltx_core.run import Pipeline
from ltx_core.stages.calibration import NAME as CALIBRATIONS
from ltx_core.stages.device import Device, memory_of
from ltx_core.stages.estimate_memory import Memory
from ltx_core.stages.estimate_time import missing_rows
from ltx_core.stages.folder import begin
from ltx_core.stages.settings import Settings
from ltx_core.stages.timing import RATES, REMEMBERED_ROWS, add_timing, seconds_per_row
from ltx_core.training.log import RunLog

ROOT = Path(__file__).parents[3]
INFO = ModelInfo.read(ROOT / "data" / "model")


@pytest.fixture
def pipeline(tmp_path):
    """The demo's config on one of its films."""
    (tmp_path / "films").mkdir()
    shutil.copy(ROOT / "data" / "footage" / "silent_film.mp4", tmp_path / "films")

    def open_pipeline(*overrides, config="demo.yaml"):
        settings = [
            f"workspace={tmp_path / 'ws'}",
            f"dataset.source={tmp_path / 'films'}",
            "engine.threads=1",
        ]
        return Pipeline(load(ROOT / "configs" / config, [*settings, *overrides], ROOT))

    return open_pipeline


def compute(pipeline, *stages):
    for stage in stages:
        for chunk in pipeline.plan(stage).chunks:
            pipeline.compute(stage, chunk)


@pytest.mark.parametrize(
    ("targets", "modalities"),
    [
        (("to_k", "to_out.0"), ("video", "audio")),
        (("to_k", "to_out.0"), ("video",)),
        (("to_k", "to_out.0"), ("audio",)),
        (("attn1.to_q", "audio_attn1.to_q", "patchify_proj"), ("video", "audio")),
        (("attn1.to_q", "patchify_proj"), ("video",)),
        (("audio_attn1.to_q", "audio_patchify_proj"), ("audio",)),
    ],
)
def test_parameters_are_those_of_the_real_part_and_its_adapters(targets, modalities):
    from ltx_core.models.lora.adapters import add_lora
    from ltx_core.models.ltx2 import load_transformer

    options = LoraOptions(rank=5, target_modules=targets)
    transformer = load_transformer(INFO, modalities=modalities)
    assert transformer_parameter_count(INFO, modalities) == sum(p.numel() for p in transformer.parameters())
    added = add_lora(transformer, options, 0, modalities)
    assert lora_parameter_count(INFO, options, modalities) == sum(p.numel() for p in added)


def test_a_damaged_header_is_named(tmp_path):
    shutil.copytree(INFO.path, tmp_path / "model")
    (weights,) = (tmp_path / "model" / "vae").glob("*.safetensors")
    weights.write_bytes(b"\xff" * 64)
    with pytest.raises(ModelError, match="is damaged"):
        weight_shapes(ModelInfo.read(tmp_path / "model"), "vae")


def test_rates_are_kept_over_runs_and_fade(tmp_path):
    add_timing(tmp_path, "latents", 10, 20.0)
    add_timing(tmp_path, "latents", 10, 40.0)
    add_timing(tmp_path, "text", 0, 5.0)
    assert seconds_per_row(tmp_path) == {"latents": pytest.approx(3.0)}
    add_timing(tmp_path, "latents", REMEMBERED_ROWS, 512.0)
    assert seconds_per_row(tmp_path) == {"latents": pytest.approx(1.0)}
    for damaged in (b"{", b"[1]", b'{"latents": {"rows": 0, "seconds": 1}}', b'{"latents": 3}'):
        (tmp_path / RATES).write_bytes(damaged)
        assert seconds_per_row(tmp_path) == {}
    add_timing(tmp_path, "text", 2, 1.0)
    assert seconds_per_row(tmp_path) == {"text": 0.5}


def test_before_anything_is_computed_nothing_is_invented(pipeline):
    found = pipeline(config="v2v_ic_lora.yaml")
    plans = found.plans()
    estimate = found.estimate(plans)
    assert estimate.seconds == 0 and estimate.unknown == tuple(plan.stage for plan in plans)
    assert estimate.store_bytes is None and estimate.checkpoint_bytes > 0
    (tokens,) = estimate.tokens
    assert (tokens.video, tokens.audio, tokens.attached, tokens.all) == (48, 0, 48, 96)
    scaled = "dataset.references={reference_downscale_factor: 2, reference_temporal_scale_factor: 2}"
    (tokens,) = pipeline(scaled, config="v2v_ic_lora.yaml").estimate([]).tokens
    assert tokens.attached == 2 * 2 * 2
    needs = {need.stage: need for need in estimate.fit.needs}
    connectors = parameter_count(INFO, "connectors", ["video_connector"])
    weights = 4 * (transformer_parameter_count(INFO, ["video"]) + connectors)
    assert needs["train"].weights == weights + 4 * estimate.trained_parameters
    # Moments and gradients of what learns; activations come on top.
    assert needs["train"].state == 12 * estimate.trained_parameters
    assert needs["train"].activations > 0 and needs["train"].peak == sum(
        (needs["train"].weights, needs["train"].state, needs["train"].activations)
    )
    assert "audio_latents" not in needs
    halved = pipeline("acceleration.mixed_precision_mode=bf16", config="v2v_ic_lora.yaml")
    half = {need.stage: need for need in halved.fit().needs}
    assert half["latents"].weights * 2 == needs["latents"].weights == 4 * parameter_count(INFO, "vae")
    assert estimate.fit.fits and not estimate.fit.advice.steps


def test_more_recomputation_smaller_batches_and_fewer_tokens_take_less(pipeline):
    def peak(*overrides):
        return next(need.peak for need in pipeline(*overrides).fit().needs if need.stage == "train")

    recompute = "optimization.enable_gradient_checkpointing=true"
    every = [peak(recompute, f"optimization.checkpoint_every={n}") for n in (1, 2, 3)]
    assert every == sorted(every) and every[-1] < peak()
    assert peak("optimization.batch_size=4") < peak() < peak("dataset.buckets=[128x64x9]")
    assert peak("acceleration.quantization=int8") < peak()
    assert peak("lora.rank=4") < peak() < peak("model.training_mode=full")


def test_a_gpu_swaps_and_a_stated_size_decides_what_fits(pipeline):
    overrides = ("acceleration.blocks_to_swap=3", "optimization.enable_gradient_checkpointing=true")
    gpu = Device("a GPU", True, 1 << 40, 1 << 40)
    kept, swapped = pipeline(overrides[1]).fit(gpu), pipeline(*overrides).fit(gpu)
    weights = [next(n.weights for n in fit.needs if n.stage == "train") for fit in (kept, swapped)]
    assert weights[1] < weights[0]
    with pytest.raises(ConfigError, match="blocks_to_swap: 9 blocks cannot be swapped"):
        pipeline("acceleration.blocks_to_swap=9").fit(gpu)
    found = pipeline()
    assert found.fit(found.device(memory_of("24GiB"))).fits
    tight = found.fit(found.device(memory_of("660 MiB")))  # most of it is kept for the driver
    assert tight.device.usable < tight.needs[0].peak or not tight.fits
    assert tight.advice.steps or tight.advice.short


@pytest.mark.parametrize(
    ("text", "size"),
    [("24GiB", 24 << 30), ("80 GB", 80 * 10**9), ("1.5tib", 3 << 39), ("1024", 1024), ("12 gib ", 12 << 30)],
)
def test_sizes_of_memory_are_read(text, size):
    assert memory_of(text) == size


@pytest.mark.parametrize("text", ["", "much", "24 GX", "-3GiB", "GiB"])
def test_what_is_no_size_of_memory_is_refused(text):
    with pytest.raises(ConfigError, match="no size of memory"):
        memory_of(text)


def test_disk_is_what_is_then_written_and_time_is_what_was_measured(pipeline):
    found = pipeline()
    compute(found, "sources", "scenes", "clips", "scores", "captions", "text")
    plans = found.plans()
    clips = found.plan("latents").missing
    assert {plan.stage: missing_rows(found.context, plan) for plan in plans} == {
        **dict.fromkeys(("sources", "scenes", "clips", "scores", "captions", "text"), 0),
        **dict.fromkeys(("latents", "audio_latents"), clips),
        **dict.fromkeys(("dataset", "train", "evaluate", "publish"), 1),
    }
    expected = found.estimate(plans).store_bytes
    compute(found, "latents")
    rows = found.context.store.rows("latents")
    written = sum(ref.length for row in rows for ref in row.tensors)
    assert len(rows) == clips > 1
    sound = found.estimate(found.plans()).store_bytes
    assert expected == written + sound and sound > 0

    again = pipeline("dataset.latents_dtype=float32")
    (plan,) = [plan for plan in again.plans() if plan.stage == "latents"]
    assert plan.seconds == pytest.approx(clips * seconds_per_row(again.config.workspace)["latents"])
    assert plan.seconds > 0


def test_a_training_takes_its_steps_times_the_seconds_per_step_of_an_earlier_run(pipeline):
    def seconds(found):
        return next(plan.seconds for plan in found.plans() if plan.stage == "train")

    found = pipeline("optimization.steps=100")
    run = found.config.runs_root / "earlier"
    run.mkdir(parents=True)
    log = RunLog(run)
    tokens = (48 + 11) * 8
    for step in range(1, 80):
        log.step({"step": step, "tokens": tokens, "seconds": 9.0 if step < 20 else 0.25})
    log.close()
    assert seconds(found) is None  # whose base model is not known
    begin(run, found.config, {"base_model_fingerprint": "of another model"})
    assert seconds(found) is None
    begin(run, found.config, {"base_model_fingerprint": INFO.fingerprint("transformer", "connectors")})
    assert seconds(found) == pytest.approx(25)
    assert seconds(pipeline("optimization.steps=100", "optimization.batch_size=16")) == pytest.approx(50)


@pytest.mark.prove
def test_a_calibration_gives_the_time_of_a_training_that_was_never_run(pipeline):
    found = pipeline("optimization.steps=100", "acceleration.threads=1")
    device = found.device()

    def seconds(one):
        return next(plan.seconds for plan in one.plans(device) if plan.stage == "train")

    assert seconds(found) is None
    found.calibrate()
    first = seconds(found)
    assert first > 0
    longer = pipeline("optimization.steps=200", "acceleration.threads=1")
    assert seconds(longer) == pytest.approx(2 * first)
    again = pipeline(
        "optimization.steps=100", "acceleration.threads=1", "optimization.enable_gradient_checkpointing=true"
    )
    # What was measured depends on how busy the machine is; of known speeds the arithmetic is checked.
    path = found.config.workspace / CALIBRATIONS
    known = json.loads(path.read_bytes())
    for one in known.values():
        one["forward"] = {name: 0.4 * rate for name, rate in one["step"].items()}
    path.write_text(json.dumps(known))
    assert seconds(found) < seconds(again) < 2 * seconds(found)
    assert found.fit(device).measured and not found.fit(found.device(memory_of("24GiB"))).measured
    other = pipeline("acceleration.mixed_precision_mode=bf16", "acceleration.threads=1")
    assert seconds(other) is None  # measured in float32


def test_a_bucket_that_does_not_fit_is_refused(pipeline):
    found = pipeline("dataset.buckets=[60x64x9]")
    with pytest.raises(ConfigError, match="width 60 does not fit the model"):
        found.estimate(found.plans())


def test_a_plan_imports_no_heavy_library(pipeline, tmp_path):
    import subprocess

    script = (
        "import sys; from pathlib import Path; from ltx_core.config.load import load;"
        "from ltx_core.run import Pipeline;"
        f"p = Pipeline(load(Path('configs/demo.yaml'), ['workspace={tmp_path}/other']));"
        "p.estimate(p.plans());"
        "print([m for m in ('torch', 'diffusers', 'transformers', 'cv2', 'prefect') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_token_budget_bounds_the_batches_of_every_bucket(pipeline):
    buckets = "dataset.buckets=[64x64x9, 64x64x5, 128x64x9, 64x64x1]"

    def train(*overrides):
        memory = Memory(pipeline(buckets, "optimization.batch_size=64", *overrides).context, gpu=False)
        settings = Settings.of(memory.config)
        sizes = {one.bucket: settings.samples(one) for one in memory.tokens}
        return sizes, memory.training(settings).peak

    sizes, peak = train("optimization.batch_tokens=256")
    tokens = {"64x64x9": 48 + 11, "64x64x5": 32 + 6, "128x64x9": 96 + 11, "64x64x1": 16 + 1}
    assert sizes == {bucket: 256 // count for bucket, count in tokens.items()}
    alone = [
        train(f"dataset.buckets=[{bucket}]", "optimization.batch_tokens=256")[1] for bucket in sorted(tokens)
    ]
    assert peak == max(alone), "of the bucket that takes most: many small samples bring many texts"
    assert train("optimization.batch_tokens=100")[0]["128x64x9"] == 1
