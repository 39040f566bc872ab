"""How long what a plan misses takes: measured in this workspace, else by a calibration, else unknown.

Design choices
- A number for a machine that nobody has seen would be invented, so without a measurement there is none.
- Only a training is counted in steps instead of rows: by the seconds per token of an earlier run of the same
  base model, else by the measured speed of its blocks (`ltx plan --calibrate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median

from ltx_core.models.memory.training import recomputed_blocks
from ltx_core.models.memory.work import block_work
from ltx_core.models.swap_plan import swapped_blocks
from ltx_core.stages.base import StagePlan
from ltx_core.stages.calibration import Calibration, calibration_key, recall
from ltx_core.stages.context import Context
from ltx_core.stages.device import Device
from ltx_core.stages.estimate_memory import Memory
from ltx_core.stages.estimate_tokens import clip_buckets, planned_buckets
from ltx_core.stages.folder import is_full, lineage_of, run_folder
from ltx_core.stages.references import wanted_references
from ltx_core.stages.report import base_fingerprint
from ltx_core.stages.settings import Settings
from ltx_core.stages.timing import seconds_per_row
from ltx_core.stages.tokens import Tokens, tokens_of
from ltx_core.training.log import METRICS, read_metrics

MEASURED_STEPS = 50
"""The last steps of a run whose time is taken."""


def with_seconds(
    context: Context, plans: Sequence[StagePlan], device: Device | None = None
) -> list[StagePlan]:
    """The plans with the expected seconds of their missing rows, None where nothing is known.

    Args:
        context: of the config.
        plans: without seconds.
        device: whose calibration counts where no training was measured; None: no calibration is looked for.
    """
    rates = seconds_per_row(context.config.workspace)
    found = []
    for plan in plans:
        rows = missing_rows(context, plan)
        seconds: float | None
        if rows == 0:
            seconds = 0.0
        elif plan.stage == "train":
            seconds = _training_seconds(context, plan, device)
        else:
            rate = rates.get(plan.stage)
            seconds = None if rate is None or rows is None else rows * rate
        found.append(replace(plan, seconds=seconds))
    return found


def missing_rows(context: Context, plan: StagePlan) -> int | None:
    """Rows to compute; of a stage whose keys are not known yet one per clip, None while no clip is known."""
    if plan.ready:
        return plan.missing
    if context.registry[plan.stage].single:
        return 1
    clips = clip_buckets(context)
    each = len(wanted_references(context)) if plan.stage in ("references", "reference_latents") else 1
    return None if clips is None else len(clips) * each


def calibration_of(context: Context, device: Device) -> Calibration | None:
    """What was measured of this config's model on a device."""
    return recall(context.config.workspace, speed_key(context, device))


def speed_key(context: Context, device: Device) -> str:
    """What a calibration belongs to."""
    place, full = context.config.acceleration, is_full(context.config)
    model = context.info.fingerprint("transformer")
    method = None if full else place.base_method
    return calibration_key(model, device.name, place.precision, method, full)


def step_seconds(memory: Memory, found: Calibration, tokens: Sequence[Tokens]) -> float:
    """Seconds of an optimizer step by a calibration, on average over the samples' buckets."""
    settings, shape = Settings.of(memory.config), memory.shape
    swapped = swapped_blocks(shape.blocks, settings.swap)
    again = len(recomputed_blocks(shape.blocks, settings.every, swapped))

    def of(bucket: Tokens) -> float:
        batch = settings.samples(bucket)
        work = block_work(shape, bucket.load(batch, memory.info.context_tokens), batch)
        blocks = shape.blocks * found.step.seconds(work) + again * found.forward.seconds(work)
        return settings.passes * (blocks + found.rest * batch * bucket.all)

    known = {bucket.bucket: of(bucket) for bucket in set(tokens)}
    return fmean((known[bucket.bucket] for bucket in tokens), _steps(settings, tokens))


def _steps(settings: Settings, tokens: Sequence[Tokens]) -> list[float]:
    """The part of a step that each sample is: a bucket of small batches has more steps."""
    return [1 / settings.samples(bucket) for bucket in tokens]


def _training_seconds(context: Context, plan: StagePlan, device: Device | None) -> float | None:
    """Steps that are left x seconds per step, scaled by the tokens of a step; hooks come on top."""
    own = run_folder(context.config, context.items("train")[0].key) if plan.ready else None
    each = _measured_step(context, own)
    if each is None and device is not None and (found := calibration_of(context, device)) is not None:
        each = step_seconds(Memory(context, device.gpu), found, _samples(context))
    return None if each is None else (context.config.optimization.steps - _done(own)) * each


def _measured_step(context: Context, own: Path | None) -> float | None:
    """Seconds of a step as an earlier run took them; None without one."""
    measured = _measured_run(context, own)
    rows = read_metrics(measured)[-MEASURED_STEPS:] if measured is not None else []
    if not rows:
        return None
    per_token: float = median(row["seconds"] / max(1, row["tokens"]) for row in rows)
    settings, samples = Settings.of(context.config), _samples(context)
    each = (settings.samples(tokens) * tokens.all for tokens in samples)
    return per_token * settings.passes * fmean(each, _steps(settings, samples))


def _samples(context: Context) -> list[Tokens]:
    """Of every clip, else of every bucket."""
    return [tokens_of(context, bucket) for bucket in clip_buckets(context) or planned_buckets(context)]


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
