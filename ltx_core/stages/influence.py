"""How much each condition and each given modality decides: right against wrong against withheld.

Everything is measured on held-out clips with the same LoRA, the same noise and the same tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ltx_core.assemble import Batch, Coins, assemble, audio_tokens, video_tokens
from ltx_core.conditions.base import Modality
from ltx_core.curation.references import canny
from ltx_core.diffusion.track import Track
from ltx_core.evaluation.effects import SPANS, Comparison, Edges, Media, Region, effects, measures
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
from ltx_core.evaluation.rows import VARIANTS, Effect, mean_loss
from ltx_core.geometry.grid import VideoGrid
from ltx_core.models.velocity import Velocity
from ltx_core.sampling.decode import decode_audio, decode_video
from ltx_core.stages.batches import Contexts, Rows, scales
from ltx_core.stages.context import Context
from ltx_core.stages.generate import Generated, Request, generate
from ltx_core.stages.hooks import heldout_batches, heldout_clips
from ltx_core.stages.references import all_references, reference_kind
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
        self._right: dict[str, Generated] = {}
        self._coins: dict[str, Coins] = {}
        self._true: dict[str, Media] = {}

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
            if all(self._stored(clip.clip_id, name) is not None for name in names)
        ]
        if not clips:
            return None
        content = lever.columns[0] if lever.attaches else lever.modality
        partners = wrong_partners(
            [clip.clip_id for clip in clips],
            {clip.clip_id: clip.shape for clip in clips},
            lambda a, b: _distance(self.content(a, content), self.content(b, content)),
        )
        paired = [clip for clip in clips if clip.clip_id in partners]
        return Trial(lever, paired or clips, partners if paired else {})

    def losses(self, trial: Trial) -> dict[str, float]:
        """Held-out loss of the measured modality by variant, over the tokens that the right one generates."""
        found = {variant: self._loss(trial, variant) for variant in trial.variants}
        return {variant: loss for variant, loss in found.items() if loss is not None}

    def comparisons(self, trial: Trial, clips: Sequence[Sample]) -> list[Comparison]:
        """Samples of some of the trial's clips in all variants, each beside the clip itself."""
        seed = self.context.config.validation.seed
        plain = [self._request(clip, seed) for clip in clips]
        made = {variant: self._generate(trial, variant, plain) for variant in trial.variants}
        regions = [self._region(trial.lever, request.batch) for request in plain]
        if trial.lever.holds and trial.lever.kind not in SPANS:
            made["seed"] = self._generate(trial, "seed", [self._request(clip, seed + 1) for clip in clips])
        if trial.lever.kind == GIVEN and trial.partners:
            made["cut"] = self._generate(trial, "cut", plain)
        found = []
        for place, clip in enumerate(clips):
            samples = {variant: one[place] for variant, one in made.items()}
            partner = trial.partners.get(clip.clip_id)
            found.append(
                Comparison(
                    self.true(clip.clip_id),
                    {variant: _media(one) for variant, one in samples.items()},
                    self.true(partner) if partner else None,
                    regions[place],
                    self._drift(trial.lever, plain[place].batch, samples),
                )
            )
        return found

    def effects(self, trial: Trial, comparisons: Sequence[Comparison]) -> list[Effect]:
        """The lever's rows."""
        chosen = measures(trial.lever.kind, trial.lever.measured, self._edges(trial.lever))
        return effects(trial.lever.key, chosen, comparisons, self.losses(trial), len(trial.clips))

    def true(self, clip_id: str) -> Media:
        """What the stored latents of a clip decode to, in the modalities of the mode."""
        if clip_id not in self._true:
            self._true[clip_id] = self._decoded(clip_id)
        return self._true[clip_id]

    def content(self, clip_id: str, name: str) -> Tensor:
        """A clip's latents of a modality, or the tensor of one of its columns."""
        found = self._stored(clip_id, name)
        if found is None:
            raise KeyError(f"clip {clip_id} has no {name}")
        return found.float()

    def grid(self, latents: Tensor) -> VideoGrid:
        """The grid of video latents `[..., F, H, W]`."""
        frames, height, width = latents.shape[-3:]
        return VideoGrid(frames, height, width, self.scales.video)

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
        return swapped(batch, lever, trial.partners, self.content, hold)

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
            return video_region(hold, self.grid(batch.video), span)
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

    def _stored(self, clip_id: str, name: str) -> Tensor | None:
        own = {str(modality): stream.latents_dir for modality, stream in self.strategy.streams.items()}
        return self.rows.fetch(clip_id, own.get(name, name))

    def _decoded(self, clip_id: str) -> Media:
        models, frames, wave, rate = self.context.models, None, None, 0
        for modality in self.strategy.streams:
            latents = self._stored(clip_id, modality)
            if latents is not None and modality == "video":
                tokens = video_tokens(latents.float()[None])
                frames = decode_video(models.video(), tokens, self.grid(latents))[0]
            elif latents is not None:
                seconds = self.rows.samples[clip_id].duration
                waves, rate = decode_audio(models.audio(), audio_tokens(latents.float()[None]), seconds)
                wave = waves[0]
        return Media(frames, wave, rate)


def _media(found: Generated) -> Media:
    return Media(found.frames, found.wave, found.rate)


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean()) if a.shape == b.shape else float("nan")
