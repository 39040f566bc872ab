"""Beside the steps of a training: held-out loss and samples, each at its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator

from ltx_core.assemble import Batch, Coins, assemble
from ltx_core.config.roles import clip_roles, wanted_modalities, with_roles
from ltx_core.diffusion.track import Track
from ltx_core.evaluation.heldout import heldout_loss, midpoint_levels, with_model
from ltx_core.evaluation.rows import LossRow
from ltx_core.geometry.units import video_grid
from ltx_core.models.velocity import Velocity
from ltx_core.modes import Strategy
from ltx_core.stages.batches import Contexts, Rows, scales
from ltx_core.stages.context import Context
from ltx_core.stages.generate import Request, prompt_request
from ltx_core.stages.heldout import HeldoutLoss
from ltx_core.stages.report import lora_metadata
from ltx_core.stages.shared_samples import make_samples, wanted
from ltx_core.store.dataset import Sample
from ltx_core.training.cost import Cost
from ltx_core.training.heldout_log import means, record_heldout
from ltx_core.training.plan import Hook

HELDOUT_BATCH = 8


def make_hooks(
    context: Context,
    folder: Path,
    rows: Rows,
    velocity: Velocity,
    contexts: Contexts,
    accelerator: Accelerator | None = None,
) -> list[Hook]:
    """Held-out loss at the start, at every interval and at the end; samples at every interval.

    Samples before the first step are made where the config states its own and does not skip them.
    """
    validation, steps = context.config.validation, context.config.optimization.steps
    evaluation = HeldoutLoss(context, rows, velocity, contexts, accelerator)
    every, cost = validation.every, Cost(validation.every)
    main = accelerator is None or accelerator.is_main_process

    def measure(step: int) -> dict[str, float]:
        with cost.counting(step):
            found = evaluation.measure(step)
        if main:
            record_heldout(folder, step, found)
        return {**means(found), **cost.facts()}

    def draw(step: int) -> None:
        target = folder / "samples" / f"step_{step:06d}"
        if step == steps or not wanted(accelerator, target):
            return
        # Files are encoded once, not at every interval.
        requests = context.memo("sample requests", lambda: sample_requests(context, rows))
        make_samples(target, context, velocity, contexts, requests, accelerator)

    hooks = [Hook(measure, every, at_start=True, at_end=True)] if evaluation.clips["heldout"] else []
    first = bool(validation.samples) and not validation.skip_initial_validation
    return [*hooks, Hook(draw, validation.interval, at_start=first)]


def heldout_clips(rows: Rows) -> list[Sample]:
    """Held-out samples, in order."""
    return [sample for sample in rows.samples.values() if sample.split == "heldout"]


def measure_heldout(
    context: Context,
    rows: Rows,
    velocity: Velocity,
    contexts: Contexts,
    clips: Sequence[Sample],
) -> list[LossRow]:
    """Held-out loss of the model as it is, all conditions applied."""
    return batches_loss(context, velocity, contexts, heldout_batches(rows, clips))


def batches_loss(
    context: Context,
    velocity: Velocity,
    contexts: Contexts,
    batches: Sequence[Batch],
    coins: Coins | None = None,
) -> list[LossRow]:
    """Held-out loss on given batches; `coins` None applies every condition."""
    strategy, found = context.config.training_strategy, scales(context)
    device, validation = context.models.device, context.config.validation

    def tracks(batch: Batch) -> Mapping[str, Track]:
        return {name: track.to(device) for name, track in assemble(strategy, batch, found, coins).items()}

    levels = midpoint_levels(validation.heldout_levels)
    return heldout_loss(batches, tracks, with_model(velocity, contexts), levels, validation.seed)


def heldout_batches(rows: Rows, clips: Sequence[Sample]) -> list[Batch]:
    """Batches of clips of one shape."""
    reader = rows.reader()
    shapes: dict[str, list[str]] = {}
    for sample in clips:
        shapes.setdefault(sample.shape, []).append(sample.clip_id)
    return [
        reader(ids[start : start + HELDOUT_BATCH])
        for ids in shapes.values()
        for start in range(0, len(ids), HELDOUT_BATCH)
    ]


def sample_requests(context: Context, rows: Rows, trained: Mapping[str, str] | None = None) -> list[Request]:
    """The samples that the config states, else the captions and the conditions' content of some clips.

    Args:
        context: of the config.
        rows: the dataset.
        trained: metadata of the LoRA, which a reference's scale factors must fit; None: that of this run.
    """
    validation = context.config.validation
    if trained is None and any(c.type == "reference" for s in validation.samples for c in s.conditions):
        trained = lora_metadata(context, 0, "")
    if validation.samples:
        return [
            prompt_request(context, f"{number:02d}", section, trained)
            for number, section in enumerate(validation.samples, 1)
        ]
    clips = heldout_clips(rows) or list(rows.samples.values())
    return clip_requests(rows, clips[: validation.heldout_samples], validation.seed)


def clip_requests(rows: Rows, clips: Sequence[Sample], seed: int) -> list[Request]:
    """One request per clip: its caption, its shape, its conditions' content; one seed for all."""
    config = rows.context.config
    roles = clip_roles(config.training_strategy, wanted_modalities(config.validation))
    strategy = with_roles(config.training_strategy, roles)
    reader = rows.reader()
    return [
        Request(
            f"{number:02d}",
            clip.caption,
            seed,
            _with_modalities(rows, clip, reader([clip.clip_id]), strategy),
            strategy=strategy,
            seconds=clip.duration,
            clip_id=clip.clip_id,
        )
        for number, clip in enumerate(clips, 1)
    ]


def _with_modalities(rows: Rows, clip: Sample, batch: Batch, strategy: Strategy) -> Batch:
    """The batch with the strategy's modalities: zeros for one that the dataset does not have."""
    info, validation = rows.context.info, rows.context.config.validation
    video, audio, fps = batch.video, batch.audio, batch.fps
    if strategy.video is not None and video is None:
        width, height, _ = validation.video_dims
        frames = (
            round(clip.duration * validation.frame_rate / info.video_scale.time) * info.video_scale.time + 1
        )
        grid = video_grid(width, height, frames, validation.frame_rate, info.video_scale)
        video = torch.zeros(1, info.video_channels, grid.frames, grid.height, grid.width)
        fps = torch.tensor([validation.frame_rate])
    if strategy.audio is not None and audio is None:
        audio = torch.zeros(1, *rows.audio_shape(clip.clip_id))
    return replace(
        batch,
        video=None if strategy.video is None else video,
        audio=None if strategy.audio is None else audio,
        audio_present=None,
        fps=fps,
    )
