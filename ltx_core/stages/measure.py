"""The measurements behind a report: held-out loss, samples before and after, what each condition does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ltx_core.evaluation.report import SampleGroup
from ltx_core.evaluation.rows import Effect, LossRow, labelled
from ltx_core.models.velocity import Velocity
from ltx_core.stages.batches import Contexts, Rows, open_contexts
from ltx_core.stages.context import Context
from ltx_core.stages.folder import product_of
from ltx_core.stages.generate import generate
from ltx_core.stages.hooks import heldout_clips, measure_heldout, sample_requests
from ltx_core.stages.influence import Influence
from ltx_core.stages.influence_views import SHOWN_CLIPS, generated_view, group
from ltx_core.stages.network import base_of, open_velocity
from ltx_core.stages.report import Measured
from ltx_core.stages.samples import write_samples
from ltx_core.store.dataset import Sample


def measure(context: Context, folder: Path, samples: Sequence[Sample]) -> Measured:
    """Everything that the report of the run in `folder` shows of what it trained."""
    rows = Rows(context, samples)
    velocity = open_velocity(context, product_of(context.config, folder))
    contexts = open_contexts(context, rows)
    influence = Influence(context, rows, velocity, contexts)
    clips = heldout_clips(rows)
    total = 2 + len(influence.levers) * bool(clips)
    heldout: list[LossRow] = []
    if clips:
        with base_of(velocity):
            heldout += labelled(measure_heldout(context, rows, velocity, contexts, clips), "base")
        heldout += labelled(measure_heldout(context, rows, velocity, contexts, clips), "lora")
    context.progress({"stage": "evaluate", "done": 1, "total": total})
    before = before_and_after(context, folder, rows, velocity, contexts)
    context.progress({"stage": "evaluate", "done": 2, "total": total})
    effects: list[Effect] = []
    shown: list[SampleGroup] = []
    for number, (found, pictures) in enumerate(_conditions(context, influence) if clips else (), 3):
        effects += found
        shown += pictures
        context.progress({"stage": "evaluate", "done": number, "total": total})
    return Measured(
        heldout=tuple(heldout),
        samples=tuple(before),
        influence=tuple(effects),
        influence_samples=tuple(shown),
        notes=tuple(_notes(context, rows)),
    )


def before_and_after(
    context: Context, folder: Path, rows: Rows, velocity: Velocity, contexts: Contexts
) -> list[SampleGroup]:
    """The same samples, same noise, by the base model and as trained; written as MP4 or WAV."""
    requests = sample_requests(context, rows)
    with base_of(velocity):
        before = generate(context, velocity, contexts, requests)
    after = generate(context, velocity, contexts, requests)
    files = [
        write_samples(folder / "samples" / name, found)
        for name, found in (("before", before), ("after", after))
    ]
    return [
        SampleGroup(
            old.request.prompt,
            (generated_view("Before", old, paths[0]), generated_view("After", new, paths[1])),
        )
        for old, new, *paths in zip(before, after, *files, strict=True)
    ]


def _conditions(context: Context, influence: Influence) -> Iterator[tuple[list[Effect], list[SampleGroup]]]:
    """Rows and samples of each condition and each given modality."""
    for lever in influence.levers:
        trial = influence.trial(lever)
        if trial is None:
            yield [], []
            continue
        clips = trial.clips[: context.config.validation.influence_clips]
        tally = influence.tally(trial)
        shown: list[SampleGroup] = []
        for clip, found in zip(clips, influence.comparisons(trial, clips), strict=True):
            tally.add(found)
            if len(shown) < SHOWN_CLIPS:
                shown.append(group(influence, trial, clip, found))
        yield tally.rows(influence.losses(trial), len(trial.clips)), shown


def _notes(context: Context, rows: Rows) -> Iterator[str]:
    silent = [sample.name for sample in rows.samples.values() if sample.no_audio_reason]
    if silent and context.config.training_strategy.audio is not None:
        names = ", ".join(silent[:5]) + (" …" if len(silent) > 5 else "")
        yield (
            f"Without sound: {len(silent)} of {len(rows.samples)} clips ({names}). Their video is learned, "
            "and they add nothing to the audio loss."
        )
