"""What a plan costs: seconds, device memory and disk. Reads records and headers; loads no model, no torch.

Design choices
- Time comes from what this workspace has measured, else it is unknown: a number for a machine that nobody
  has seen would be invented. Only a training is counted in steps instead of rows.
- Memory is that of the parameters, which the files' headers state exactly. Activations come on top; they
  grow with the tokens of a bucket, so those are stated beside it.
- Disk is exact for latents, an average of stored rows for what has no fixed size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median

from ltx_core.config.roles import MODALITIES
from ltx_core.curation.buckets import Bucket, DurationBucket
from ltx_core.errors import ConfigError
from ltx_core.geometry.units import audio_steps, video_grid
from ltx_core.models.headers import lora_parameter_count, parameter_count, transformer_parameter_count
from ltx_core.stages.base import NotReadyError, StagePlan
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.folder import is_full, lineage_of, run_folder
from ltx_core.stages.imported_dataset import imported_buckets
from ltx_core.stages.modalities import needed_modalities
from ltx_core.stages.references import mean_tokens, reference_tokens, wanted_references
from ltx_core.stages.report import base_fingerprint
from ltx_core.stages.timing import seconds_per_row
from ltx_core.training.log import METRICS, read_metrics

PRECISION_BYTES = {"no": 4, "bf16": 2, "fp16": 2, "bfloat16": 2, "float32": 4}
"""Bytes of a number by `mixed_precision_mode`, `latents_dtype` and `checkpoints.precision`."""
TRAINED_BYTES = 16
"""Bytes of a trained number: weight, gradient and AdamW's two moments, float32."""
STATE_BYTES = {"full": 12, "minimal": 4, "off": 0}
"""Bytes of a trained number in a checkpoint's state: weight and two moments, or the weight alone."""
MEASURED_STEPS = 50
"""The last steps of a run whose time is taken."""
CAPTION_TOKENS = 128
"""Tokens of a caption that is not written yet; a guess (about 90 words)."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of one sample of a bucket: what activations grow with."""

    bucket: str
    video: int
    audio: int
    attached: int

    @property
    def all(self) -> int:
        """Over all streams."""
        return self.video + self.audio + self.attached


@dataclass(frozen=True)
class Estimate:
    """What the missing part of a plan costs.

    Attributes:
        seconds: of all missing work whose time is known.
        unknown: stages with missing work of unknown time.
        memory: (what, bytes of parameters) of groups that are never on the device together.
        trained_parameters: numbers that learn.
        tokens: of every bucket.
        store_bytes: of the missing rows; None while the number of clips is unknown.
        checkpoint_bytes: of the checkpoints that a training keeps.
    """

    seconds: float
    unknown: tuple[str, ...]
    memory: tuple[tuple[str, int], ...]
    trained_parameters: int
    tokens: tuple[Tokens, ...]
    store_bytes: int | None
    checkpoint_bytes: int


def with_seconds(context: Context, plans: Sequence[StagePlan]) -> list[StagePlan]:
    """The plans with the expected seconds of their missing rows, None where nothing is known."""
    rates = seconds_per_row(context.config.workspace)
    found = []
    for plan in plans:
        rows = missing_rows(context, plan)
        seconds: float | None
        if rows == 0:
            seconds = 0.0
        elif plan.stage == "train":
            seconds = _training_seconds(context, plan)
        else:
            rate = rates.get(plan.stage)
            seconds = None if rate is None or rows is None else rows * rate
        found.append(replace(plan, seconds=seconds))
    return found


def estimate(context: Context, plans: Sequence[StagePlan]) -> Estimate:
    """The cost of `plans`, whose seconds are known (`with_seconds`).

    Raises:
        ModelError: when the model is missing or damaged.
        ConfigError: when a bucket does not fit the model.
    """
    trained = _trained_parameters(context)
    training = any(plan.stage == "train" and (plan.missing or not plan.ready) for plan in plans)
    return Estimate(
        seconds=sum(plan.seconds or 0.0 for plan in plans),
        unknown=tuple(plan.stage for plan in plans if plan.seconds is None),
        memory=tuple(_memory(context, trained)),
        trained_parameters=trained,
        tokens=tuple(_tokens(context, bucket) for bucket in _buckets(context)),
        store_bytes=_store_bytes(context, plans),
        checkpoint_bytes=_checkpoint_bytes(context, trained) if training else 0,
    )


def _trained_parameters(context: Context) -> int:
    config, info = context.config, context.info
    streams = list(config.training_strategy.streams)
    if is_full(config):
        return transformer_parameter_count(info, streams)
    return lora_parameter_count(info, config.lora, streams)


def missing_rows(context: Context, plan: StagePlan) -> int | None:
    """Rows to compute; for a stage whose keys are not known yet one per clip, None while no clip is known."""
    if plan.ready:
        return plan.missing
    if context.registry[plan.stage].single:
        return 1
    clips = _clips(context)
    each = len(wanted_references(context)) if plan.stage in ("references", "reference_latents") else 1
    return None if clips is None else len(clips) * each


def _clips(context: Context) -> list[Bucket] | None:
    """The bucket of every clip, or None before the films are cut."""
    try:
        if context.config.imported:
            return imported_buckets(context)
        return [clip.bucket for clip in all_clips(context)]
    except NotReadyError:
        return None


def _training_seconds(context: Context, plan: StagePlan) -> float | None:
    """Steps that are left x seconds per step, scaled by the tokens of a step; hooks come on top."""
    config = context.config
    own = run_folder(config, context.items("train")[0].key) if plan.ready else None
    measured = _measured_run(context, own)
    rows = read_metrics(measured)[-MEASURED_STEPS:] if measured is not None else []
    if not rows:
        return None
    per_token: float = median(row["seconds"] / max(1, row["tokens"]) for row in rows)
    options = config.optimization
    samples = options.batch_size * options.gradient_accumulation_steps
    buckets = _clips(context) or _buckets(context)
    tokens = samples * fmean(_tokens(context, bucket).all for bucket in buckets)
    return float((options.steps - _done(own)) * per_token * tokens)


def _measured_run(context: Context, own: Path | None) -> Path | None:
    """The run whose steps are measured: this very one, else the newest of the same base model."""
    runs = context.config.runs_root
    found = sorted(runs.glob(f"*/{METRICS}"), key=lambda path: path.stat().st_mtime, reverse=True)
    folders = [path.parent for path in found]
    if own in folders:
        return own
    model = base_fingerprint(context.info)
    return next((folder for folder in folders if _base_of(folder) == model), None)


def _base_of(folder: Path) -> str:
    try:
        return str(lineage_of(folder).get("base_model_fingerprint"))
    except (OSError, ValueError):
        return ""


def _done(run: Path | None) -> int:
    """Steps of the newest checkpoint."""
    names = [path.name.removeprefix("step_") for path in run.glob("checkpoints/step_*")] if run else []
    return max((int(name) for name in names if name.isdigit()), default=0)


def _buckets(context: Context) -> Sequence[Bucket]:
    """The configured buckets: durations in a mode without video; those of imported data, once it is."""
    dataset = context.config.dataset
    if context.config.imported and (found := _clips(context)):
        return sorted(set(found))
    if context.config.training_strategy.video is None:
        return [DurationBucket.of(seconds) for seconds in dataset.durations]
    return dataset.buckets


def _tokens(context: Context, bucket: Bucket) -> Tokens:
    config, info = context.config, context.info
    strategy = config.training_strategy
    picture = sound = 0
    references: list[int] = []
    if strategy.video is not None:
        size = bucket.width, bucket.height, bucket.frames
        try:
            picture = video_grid(*size, config.dataset.fps, info.video_scale).tokens
            references = [
                reference_tokens(context, bucket, name)
                for condition in strategy.video.conditions
                for name in condition.columns
                if condition.attaches
            ]
        except ValueError as error:
            raise ConfigError(f"dataset.buckets {bucket}: {error}") from error
    if strategy.audio is not None and info.audio_scale is not None:
        sound = audio_steps(bucket.seconds(config.dataset.fps), info.audio_scale)
        references += [sound for condition in strategy.audio.conditions if condition.attaches]
    return Tokens(str(bucket), picture, sound, sum(references))


def _memory(context: Context, trained: int) -> list[tuple[str, int]]:
    info, config = context.info, context.config
    width = PRECISION_BYTES[config.acceleration.mixed_precision_mode or "no"]

    def size(component: str, each: int = width) -> int:
        return parameter_count(info, component) * each

    sound = size("audio_vae", 4) + size("vocoder", 4)
    needed = needed_modalities(config)
    frozen = transformer_parameter_count(info, needed) - (trained if is_full(config) else 0)
    connectors = parameter_count(info, "connectors", [f"{modality}_connector" for modality in needed])
    # Beside weights that learn, which are float32, the frozen ones are so too.
    resident = frozen * (4 if is_full(config) else width) + connectors * width
    decoders = max(size("vae") if "video" in needed else 0, sound if "audio" in needed else 0)
    groups = [("text", size("text_encoder") + size("connectors"))]
    if config.training_strategy.video is not None:
        groups.append(("latents", size("vae")))
    if config.training_strategy.audio is not None:
        groups.append(("audio_latents", sound))
    return [*groups, ("train", resident + trained * TRAINED_BYTES + decoders)]


def _store_bytes(context: Context, plans: Sequence[StagePlan]) -> int | None:
    total = 0
    for plan in plans:
        rows = missing_rows(context, plan)
        if rows is None:
            return None
        total += rows * _row_bytes(context, plan.stage) if rows else 0
    return total


def _row_bytes(context: Context, stage: str) -> int:
    """Bytes of one row's tensors and files: as computed from its shape, else the average of stored rows."""
    info, dataset = context.info, context.config.dataset
    width = PRECISION_BYTES[dataset.latents_dtype]
    buckets = _clips(context) or _buckets(context)
    tokens = [_tokens(context, bucket) for bucket in buckets]
    pictures = mean_tokens(context, buckets) if stage == "reference_latents" else 0.0
    video, audio = fmean(found.video for found in tokens), fmean(found.audio for found in tokens)
    exact = {
        "latents": video * info.video_channels * width,
        "reference_latents": pictures * info.video_channels * width,
        "audio_latents": audio * info.audio_channels * info.audio_bins * width,
        "reference_audio_latents": audio * info.audio_channels * info.audio_bins * width,
        "mask_latents": video * 4,
    }
    if stage in exact:
        return round(exact[stage])
    stored = [
        sum(tensor.length for tensor in row.tensors) + sum(file.length for file in row.files)
        for row in context.store.rows(stage)
        if row.ok
    ]
    if stored:
        return round(fmean(stored))
    return CAPTION_TOKENS * context.info.text_width * width if stage == "text" else 0


def _checkpoint_bytes(context: Context, trained: int) -> int:
    options, steps = context.config.checkpoints, context.config.optimization.steps
    written = 1 if options.interval is None else -(-steps // options.interval)
    kept = written if options.keep_last_n < 0 else min(written, max(1, options.keep_last_n))
    whole = transformer_parameter_count(context.info, MODALITIES) if is_full(context.config) else trained
    state = trained * STATE_BYTES[options.save_training_state]
    return kept * (whole * PRECISION_BYTES[options.precision] + state)
