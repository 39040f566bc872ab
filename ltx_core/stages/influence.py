"""How much each condition and each given modality decides: right against wrong against withheld.

Everything is measured on held-out clips with the same LoRA, the same noise and the same tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ltx_core.assemble import Batch, Coins, assemble
from ltx_core.conditions.base import Modality
from ltx_core.curation.referencing.canny import canny
from ltx_core.diffusion.track import Track
from ltx_core.evaluation.effects import SPANS, Comparison, Edges, Media, Region, Tally, measures
from ltx_core.evaluation.heldout import heldout_loss, midpoint_levels, with_model
from ltx_core.evaluation.levers import (
    GIVEN,
    Apart,
    Lever,
    held,
    levers,
    swapped,
    without,
    wrong_partners,
)
from ltx_core.evaluation.metrics import Frames
from ltx_core.evaluation.regions import audio_region, video_region
from ltx_core.evaluation.rows import VARIANTS, mean_loss
from ltx_core.models.velocity import Velocity
from ltx_core.stages.batches import Contexts, Rows, scales
from ltx_core.stages.context import Context
from ltx_core.stages.generate import Generated, Request, generate
from ltx_core.stages.hooks import heldout_batches, heldout_clips
from ltx_core.stages.influence_clips import HeldoutClips
from ltx_core.stages.references import reference_kind
from ltx_core.stages.tokens import all_references
from ltx_core.store.dataset import Sample

WITHHELD, OTHERS = ("withheld", "cut"), ("wrong", "cut")
"""Variants without the condition, and those with another clip's content."""


@dataclass(frozen=True)
class Trial:
    """One lever on its clips.

    Attributes:
        lever: what is measured.
        clips: held-out clips that have everything it needs.
        partners: clip -> the clip whose content is the wrong one; empty where no two clips fit.
    """

    lever: Lever
    clips: Sequence[Sample]
    partners: Mapping[str, str] = field(default_factory=dict)

    @property
    def variants(self) -> tuple[str, ...]:
        """Those that can be measured."""
        return tuple(name for name in VARIANTS if self.partners or name != "wrong")


class Influence:
    """The measurements of one run."""

    def __init__(self, context: Context, rows: Rows, velocity: Velocity, contexts: Contexts) -> None:
        self.context, self.rows = context, rows
        self.velocity, self.contexts = velocity, contexts
        self.strategy = context.config.training_strategy
        self.scales = scales(context)
        self.clips = HeldoutClips(context, rows)
        self._right: dict[str, Generated] = {}
        self._coins: dict[str, Coins] = {}

    @cached_property
    def levers(self) -> list[Lever]:
        """What steers this mode's samples."""
        return levers(self.strategy)

    def trial(self, lever: Lever) -> Trial | None:
        """The lever on the clips that it can be measured on; None without any."""
        names: list[str] = [lever.modality, lever.measured, *lever.columns]
        clips = [
            clip
            for clip in heldout_clips(self.rows)
            if all(self.clips.stored(clip.clip_id, name) is not None for name in names)
        ]
        if not clips:
            return None
        content = lever.columns[0] if lever.attaches else lever.modality
        partners = wrong_partners(
            [clip.clip_id for clip in clips],
            {clip.clip_id: clip.shape for clip in clips},
            lambda a, b: self.clips.distance(a, b, content),
        )
        paired = [clip for clip in clips if clip.clip_id in partners]
        return Trial(lever, paired or clips, partners if paired else {})

    def losses(self, trial: Trial) -> dict[str, float]:
        """Held-out loss of the measured modality by variant, over the tokens that the right one generates."""
        found = {variant: self._loss(trial, variant) for variant in trial.variants}
        return {variant: loss for variant, loss in found.items() if loss is not None}

    def comparisons(self, trial: Trial, clips: Sequence[Sample]) -> Iterator[Comparison]:
        """Samples of some of the trial's clips in all variants, each beside the clip itself."""
        size = self.clips.at_once(clips)
        for start in range(0, len(clips), size):
            yield from self._compared(trial, clips[start : start + size])
            if size < len(clips):
                self._right.clear()
                self.clips.forget()

    def tally(self, trial: Trial) -> Tally:
        """What takes the lever's comparisons and gives its rows."""
        lever = trial.lever
        return Tally(lever.key, measures(lever.kind, lever.measured, self._edges(lever)))

    def _compared(self, trial: Trial, clips: Sequence[Sample]) -> Iterator[Comparison]:
        lever, seed = trial.lever, self.context.config.validation.seed
        plain = [self._request(clip, seed) for clip in clips]
        made = {variant: self._generate(trial, variant, plain) for variant in trial.variants}
        if lever.holds and lever.kind not in SPANS:
            made["seed"] = self._generate(trial, "seed", [self._request(clip, seed + 1) for clip in clips])
        if lever.kind == GIVEN and trial.partners:
            made["cut"] = self._generate(trial, "cut", plain)
        for place, (clip, request) in enumerate(zip(clips, plain, strict=True)):
            samples = {variant: one[place] for variant, one in made.items()}
            partner = trial.partners.get(clip.clip_id)
            yield Comparison(
                self.clips.true(clip.clip_id),
                {variant: _media(one) for variant, one in samples.items()},
                self.clips.true(partner) if partner else None,
                self._region(lever, request.batch),
                self._drift(lever, request.batch, samples),
            )

    def _loss(self, trial: Trial, variant: str) -> float | None:
        lever, config = trial.lever, self.context.config
        coins = self._draws(lever, variant)
        rows = heldout_loss(
            [self._changed(batch, trial, variant) for batch in heldout_batches(self.rows, trial.clips)],
            lambda batch: {str(name): track for name, track in self._tracks(batch, coins).items()},
            with_model(self._model(lever, variant), self.contexts),
            midpoint_levels(config.validation.heldout_levels),
            config.validation.seed,
            lambda batch: {lever.measured: self._counted(batch, lever.measured)},
        )
        return mean_loss(rows, lever.measured, "lora")

    def _tracks(self, batch: Batch, coins: Coins | None) -> dict[Modality, Track]:
        device = self.context.models.device
        found = assemble(self.strategy, batch, self.scales, coins)
        return {name: track.to(device) for name, track in found.items()}

    def _counted(self, batch: Batch, modality: Modality) -> Tensor:
        """`[B, targets]`: the tokens that are generated when every condition applies."""
        track = self._tracks(batch, None)[modality]
        return track.loss_tokens[:, -track.targets :]

    def _draws(self, lever: Lever, variant: str) -> Coins | None:
        """None applies every condition. One object per lever: samples of one are generated together."""
        if variant != "withheld" or lever.kind == GIVEN:
            return None
        return self._coins.setdefault(lever.key, without(lever))

    def _model(self, lever: Lever, variant: str) -> Velocity:
        return Apart.of(self.velocity) if variant in WITHHELD and lever.kind == GIVEN else self.velocity

    def _changed(self, batch: Batch, trial: Trial, variant: str) -> Batch:
        if variant not in OTHERS:
            return batch
        lever = trial.lever
        hold = held(lever, self.strategy, batch, self.scales) if lever.holds else None
        return swapped(batch, lever, trial.partners, self.clips.content, hold)

    def _request(self, clip: Sample, seed: int) -> Request:
        batch = self.rows.reader()([clip.clip_id])
        return Request(clip.clip_id, clip.caption, seed, batch, seconds=clip.duration, clip_id=clip.clip_id)

    def _generate(self, trial: Trial, variant: str, plain: Sequence[Request]) -> list[Generated]:
        lever = trial.lever
        if variant == "right":
            missing = [request for request in plain if request.name not in self._right]
            for found in generate(self.context, self.velocity, self.contexts, missing):
                self._right[found.request.name] = found
            return [self._right[request.name] for request in plain]
        coins = self._draws(lever, variant)
        requests = [
            replace(request, batch=self._changed(request.batch, trial, variant), coins=coins)
            for request in plain
        ]
        return generate(self.context, self._model(lever, variant), self.contexts, requests)

    def _region(self, lever: Lever, batch: Batch) -> Region | None:
        if not lever.holds:
            return None
        hold = held(lever, self.strategy, batch, self.scales)[0]
        span = lever.kind in SPANS
        if lever.modality == "video" and batch.video is not None:
            return video_region(hold, self.clips.grid(batch.video), span)
        rate = self.scales.audio.latents_per_second if self.scales.audio is not None else 1.0
        return audio_region(hold, rate, span)

    def _drift(self, lever: Lever, batch: Batch, samples: Mapping[str, Generated]) -> dict[str, float]:
        """Largest difference of the held latents from the clip's, right and withheld."""
        if not lever.holds:
            return {}
        track = self._tracks(batch, None)[lever.modality]
        clean = track.clean[:, -track.targets :].cpu()
        kept = (held(lever, self.strategy, batch, self.scales) == 1)[..., None]
        return {
            variant: float(((samples[variant].tokens[lever.modality].cpu() - clean) * kept).abs().max())
            for variant in ("right", "withheld")
        }

    def _edges(self, lever: Lever) -> Edges | None:
        options = all_references(self.context).get(lever.columns[0]) if lever.attaches else None
        if options is None or reference_kind(self.context, options) != "canny":
            return None

        def edges(frames: Frames) -> NDArray[np.uint8]:
            return canny(frames, options.low, options.high)

        return edges


def _media(found: Generated) -> Media:
    return Media(found.frames, found.wave, found.rate)
