"""The measurements behind a report: held-out loss, samples before and after, the influence of a reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ltx_core.curation.references import canny
from ltx_core.evaluation.influence import ReferenceSample, influence
from ltx_core.evaluation.metrics import Frames, object_centre
from ltx_core.evaluation.references import reference_columns, swapped, withholding, wrong_partners
from ltx_core.evaluation.report import SampleGroup, View
from ltx_core.evaluation.rows import LossRow, labelled
from ltx_core.evaluation.views import view_of
from ltx_core.media.audio import loudness, pitch
from ltx_core.media.decode import read_frames
from ltx_core.models.lora import lora_off
from ltx_core.models.velocity import Velocity
from ltx_core.stages.batches import Contexts, Rows, open_contexts
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.folder import LORA
from ltx_core.stages.generate import Generated, Request, generate
from ltx_core.stages.hooks import (
    batches_loss,
    clip_requests,
    heldout_batches,
    heldout_clips,
    measure_heldout,
    sample_requests,
)
from ltx_core.stages.network import open_velocity
from ltx_core.stages.references import VIDEO
from ltx_core.stages.report import Measured
from ltx_core.stages.samples import write_samples
from ltx_core.store.dataset import Sample


def measure(context: Context, folder: Path, samples: Sequence[Sample]) -> Measured:
    """Everything that the report of the run in `folder` shows of its LoRA."""
    rows = Rows(context, samples)
    velocity = open_velocity(context, folder / LORA)
    velocity.model.eval()
    contexts = open_contexts(context, rows)
    clips = heldout_clips(rows)
    heldout: list[LossRow] = []
    if clips:
        with lora_off(velocity.model):
            heldout += labelled(measure_heldout(context, rows, velocity, contexts, clips), "base")
        heldout += labelled(measure_heldout(context, rows, velocity, contexts, clips), "lora")
    context.progress({"stage": "evaluate", "done": 1, "total": 4})
    groups = before_and_after(context, folder, rows, velocity, contexts)
    context.progress({"stage": "evaluate", "done": 2, "total": 4})
    influenced = Influence(context, rows, velocity, contexts).measure() if clips else Measured()
    return Measured(
        heldout=(*heldout, *influenced.heldout),
        samples=tuple(groups),
        influence=influenced.influence,
        influence_samples=influenced.influence_samples,
        notes=tuple(_notes(context, rows)),
    )


def before_and_after(
    context: Context, folder: Path, rows: Rows, velocity: Velocity, contexts: Contexts
) -> list[SampleGroup]:
    """The same samples, same noise, by the base model and with the LoRA; written as MP4 with sound."""
    requests = sample_requests(context, rows)
    with lora_off(velocity.model):
        before = generate(context, velocity, contexts, requests)
    after = generate(context, velocity, contexts, requests)
    files = [
        write_samples(folder / "samples" / name, found)
        for name, found in (("before", before), ("after", after))
    ]
    groups = []
    for old, new, *paths in zip(before, after, *files, strict=True):
        views: list[View] = []
        for label, found, path in (("Before", old, paths[0]), ("After", new, paths[1])):
            views.append(view_of(label, found.frames, path.read_bytes(), _sound_note(found)))
        groups.append(SampleGroup(old.request.prompt, tuple(views)))
    return groups


class Influence:
    """How much a reference decides: right against wrong against withheld, on held-out clips."""

    def __init__(self, context: Context, rows: Rows, velocity: Velocity, contexts: Contexts) -> None:
        self.context, self.rows = context, rows
        self.velocity, self.contexts = velocity, contexts
        self.strategy = context.config.training_strategy
        self.columns = reference_columns(self.strategy)
        self._withheld = withholding(self.strategy)

    def measure(self) -> Measured:
        """Loss and samples of the three variants; nothing for a mode without a video reference."""
        clips = heldout_clips(self.rows)
        video = self.strategy.video
        if not self.columns or video is None or not video.is_generated:
            return Measured()
        # Frames of all held-out clips may be more than the memory holds: only centres are kept of them.
        centres = {clip.clip_id: object_centre(self._frames(clip.clip_id)) for clip in clips}
        shapes = {clip.clip_id: clip.shape for clip in clips}
        partners = wrong_partners(list(centres), shapes, lambda a, b: _distance(centres[a], centres[b]))
        paired = [clip for clip in clips if clip.clip_id in partners]
        if not paired:
            return Measured()
        losses = self._losses(paired, partners)
        chosen = paired[: self.context.config.validation.influence_clips]
        shown = {name for clip in chosen for name in (clip.clip_id, partners[clip.clip_id])}
        true = {name: self._frames(name) for name in sorted(shown)}
        samples = list(self._samples(chosen, partners, true))
        found = influence(samples, losses, self._edges)
        # The right variant is the plain held-out loss, which the report has already.
        extra = tuple(row for row in losses if row.reference != "right")
        return Measured(extra, (), tuple(found), tuple(self._groups(chosen, samples, partners)))

    def _losses(self, clips: Sequence[Sample], partners: Mapping[str, str]) -> list[LossRow]:
        rows: list[LossRow] = []
        for variant in ("right", "wrong", "withheld"):
            batches = heldout_batches(self.rows, clips)
            if variant == "wrong":
                batches = [swapped(batch, self.columns, partners, self._content) for batch in batches]
            coins = self._withheld if variant == "withheld" else None
            found = batches_loss(self.context, self.velocity, self.contexts, batches, coins)
            rows += labelled(found, "lora", variant)
        return rows

    def _samples(
        self, clips: Sequence[Sample], partners: Mapping[str, str], true: Mapping[str, Frames]
    ) -> Iterator[ReferenceSample]:
        seed = self.context.config.validation.seed
        plain = clip_requests(self.rows, clips, seed)
        for variant in ("right", "wrong", "withheld"):
            requests = [self._variant(request, variant, partners) for request in plain]
            for clip, found in zip(
                clips, generate(self.context, self.velocity, self.contexts, requests), strict=True
            ):
                given = {"right": clip.clip_id, "wrong": partners[clip.clip_id]}.get(variant)
                yield ReferenceSample(
                    clip.clip_id, variant, found.frames, true[clip.clip_id], true[given] if given else None
                )

    def _variant(self, request: Request, variant: str, partners: Mapping[str, str]) -> Request:
        if variant == "wrong":
            return replace(request, batch=swapped(request.batch, self.columns, partners, self._content))
        if variant == "withheld":
            return replace(request, coins=self._withheld)
        return request

    def _content(self, clip_id: str, column: str) -> torch.Tensor:
        found = self.rows.fetch(clip_id, column)
        if found is None:
            raise KeyError(f"clip {clip_id} has no {column}")
        return found.float()

    def _edges(self, frames: Frames) -> NDArray[np.uint8]:
        options = self.context.config.dataset.references
        return canny(frames, options.low, options.high)

    def _frames(self, clip_id: str) -> Frames:
        clips = {found.clip_id: found for found in all_clips(self.context)}
        return self.context.models.frames(clips[clip_id])

    def _groups(
        self, clips: Sequence[Sample], samples: Sequence[ReferenceSample], partners: Mapping[str, str]
    ) -> Iterator[SampleGroup]:
        references = self.context.by_clip("references")
        for clip in clips[:4]:
            path = self.context.store.file(references[clip.clip_id], VIDEO)
            count = len(next(s.true for s in samples if s.clip_id == clip.clip_id))
            views = [view_of("The clip itself", next(s.true for s in samples if s.clip_id == clip.clip_id))]
            views.append(view_of("Its reference", read_frames(path, list(range(count)))))
            for found in samples:
                if found.clip_id == clip.clip_id:
                    views.append(view_of(f"With the {found.variant} reference", found.generated))
            yield SampleGroup(clip.caption, tuple(views), clip.name)


def _distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    both = np.linalg.norm(a - b, axis=-1)
    return float(np.nanmean(both)) if np.isfinite(both).any() else float("nan")


def _sound_note(found: Generated) -> str:
    if found.wave is None:
        return ""
    level = loudness(found.wave)
    hertz = pitch(found.wave, found.rate)
    tone = f"{hertz:.0f} Hz" if np.isfinite(hertz) else "no clear pitch"
    return f"sound {level:.0f} dBFS, {tone}"


def _notes(context: Context, rows: Rows) -> Iterator[str]:
    silent = [sample.name for sample in rows.samples.values() if sample.no_audio_reason]
    if silent and context.config.training_strategy.audio is not None:
        names = ", ".join(silent[:5]) + (" …" if len(silent) > 5 else "")
        yield (
            f"{len(silent)} clip(s) without sound train with no audio loss ({names}): "
            "their video is learned, their audio is left out."
        )
