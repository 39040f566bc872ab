"""One training step: tracks, draws, corruption, prediction, loss.

`prepare` is a pure function of (batch, draws) on the CPU and runs ahead in a thread; `training_step` is what
the model takes part in. The loss is divided by the number of samples that count in the whole optimizer step,
so k accumulated batches of b give the gradient of one batch of k * b, whichever clips are without sound.
A sample's own weight multiplies its loss and does not change what is divided by (as DreamBooth's prior loss):
a sample of weight 1 learns the same beside whatever weights. A weight of 0 does not count at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from ltx_core.assemble import Batch, Coins
from ltx_core.conditions.base import Modality
from ltx_core.diffusion.flow_match import corrupt, velocity_target
from ltx_core.diffusion.levels import draw_level
from ltx_core.diffusion.loss import masked_mse
from ltx_core.diffusion.options import LevelMode, LevelParams
from ltx_core.diffusion.track import Track
from ltx_core.training.draws import ANY_MODALITY, Draws

Assemble = Callable[[Batch, Coins], Mapping[Modality, Track]]
"""(batch, draws of the conditions) -> tracks of the modalities that are present."""
Contexts = Callable[[Sequence[str | None]], Mapping[Modality, Tensor]]
"""Clip ids, None for the empty caption -> contexts `[B, S, D]` by modality, on the model's device."""


class Predict(Protocol):
    """The model: velocities `[B, N, C]` of the generated modalities, with gradients."""

    def __call__(
        self,
        tracks: Mapping[Modality, Track],
        inputs: Mapping[Modality, Tensor],
        timesteps: Mapping[Modality, Tensor],
        levels: Mapping[Modality, Tensor],
        contexts: Mapping[Modality, Tensor],
    ) -> Mapping[Modality, Tensor]:
        """Take tracks, inputs `[B, N, C]`, timesteps `[B, N]`, levels `[B]` and contexts by modality."""


@dataclass(frozen=True)
class StepOptions:
    """What a step depends on beside its draws.

    Attributes:
        level_mode: distribution of the noise levels.
        level_params: its parameters.
        shared_level: one level for both modalities.
        caption_dropout: share of samples with the empty caption.
        weights: factor of each modality in the total loss; 1 where absent.
    """

    level_mode: LevelMode = "shifted_logit_normal"
    level_params: LevelParams = field(default_factory=LevelParams)
    shared_level: bool = False
    caption_dropout: float = 0.0
    weights: Mapping[Modality, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """A batch ready for the model.

    Attributes:
        clip_ids: B clips.
        captions: B clips, None where the caption was dropped.
        tracks: per modality.
        noise: `[B, N, C]` per generated modality; 0 at attached tokens.
        inputs: `[B, N, C]`.
        timesteps: `[B, N]`.
        levels: `[B]`; 0 for a given modality.
        weights: `[B]` float32, of the samples' losses.
        counts: samples that count in the loss, per generated modality: known before anything is on a device.
    """

    clip_ids: tuple[str, ...]
    captions: tuple[str | None, ...]
    tracks: Mapping[Modality, Track]
    noise: Mapping[Modality, Tensor]
    inputs: Mapping[Modality, Tensor]
    timesteps: Mapping[Modality, Tensor]
    levels: Mapping[Modality, Tensor]
    weights: Tensor
    counts: Mapping[Modality, int] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens that the model sees, attached ones and all modalities included."""
        return sum(track.clean.shape[0] * track.clean.shape[1] for track in self.tracks.values())

    def counted(self, modality: Modality) -> Tensor:
        """`[B]` bool: samples with a loss token in this modality and a weight."""
        return self.tracks[modality].loss_tokens.any(-1) & (self.weights > 0)

    def to(self, device: torch.device | str) -> Prepared:
        """The same on `device`."""
        return self.each(lambda tensor: tensor.to(device))

    def each(self, change: Callable[[Tensor], Tensor]) -> Prepared:
        """The same with `change` of every tensor."""

        def changed(values: Mapping[Modality, Tensor]) -> dict[Modality, Tensor]:
            return {name: change(value) for name, value in values.items()}

        return replace(
            self,
            tracks={name: track.each(change) for name, track in self.tracks.items()},
            noise=changed(self.noise),
            inputs=changed(self.inputs),
            timesteps=changed(self.timesteps),
            levels=changed(self.levels),
            weights=change(self.weights),
        )


@dataclass(frozen=True)
class StepResult:
    """Losses of one forward pass.

    Attributes:
        total: the scalar to differentiate; over all passes of a step it adds up to the step's loss.
        losses: `[B]` per generated modality, detached.
        counted: `[B]` bool per generated modality: the samples that have a loss there.
        levels: `[B]` per generated modality.
        weights: `[B]`, those of the samples.
    """

    total: Tensor
    losses: Mapping[Modality, Tensor]
    counted: Mapping[Modality, Tensor]
    levels: Mapping[Modality, Tensor]
    weights: Tensor


def prepare(
    batch: Batch,
    names: Sequence[str],
    draws: Draws,
    assemble: Assemble,
    options: StepOptions,
    weights: Sequence[float] | None = None,
) -> Prepared:
    """Assemble, draw and corrupt.

    Args:
        batch: the samples.
        names: B names of the samples for draws (`order.Portion.names`).
        draws: of this optimizer step.
        assemble: batch -> tracks.
        options: levels and caption dropout.
        weights: B factors of the samples' losses; None: 1 for each.
    """
    tracks = dict(assemble(replace(batch, clip_ids=tuple(names)), draws.coins))
    levels = _levels(tracks, names, draws, options)
    noise: dict[Modality, Tensor] = {}
    inputs: dict[Modality, Tensor] = {}
    timesteps: dict[Modality, Tensor] = {}
    for modality, track in tracks.items():
        noise[modality] = torch.zeros_like(track.clean)
        if track.generated:
            target = draws.noise(modality, names, track.targets, track.clean.shape[-1])
            noise[modality][:, track.clean.shape[1] - track.targets :] = target
        inputs[modality], timesteps[modality] = corrupt(track, noise[modality], levels[modality])
    dropped = draws.uniform(ANY_MODALITY, names, "caption") < options.caption_dropout
    captions = tuple(
        None if drop else clip for clip, drop in zip(batch.clip_ids, dropped.tolist(), strict=True)
    )
    own = torch.ones(len(names)) if weights is None else torch.tensor(list(weights), dtype=torch.float32)
    found = Prepared(batch.clip_ids, captions, tracks, noise, inputs, timesteps, levels, own)
    counts = {name: int(found.counted(name).sum()) for name, track in tracks.items() if track.generated}
    return replace(found, counts=counts)


def count_samples(passes: Iterable[Prepared]) -> dict[Modality, int]:
    """Samples with a loss token per generated modality, over the forward passes of one process."""
    counts: dict[Modality, int] = {}
    for prepared in passes:
        for modality, count in prepared.counts.items():
            counts[modality] = counts.get(modality, 0) + count
    return counts


def training_step(
    prepared: Prepared,
    predict: Predict,
    contexts: Contexts,
    options: StepOptions,
    counts: Mapping[Modality, int] | None = None,
) -> StepResult:
    """Predict and measure.

    Args:
        prepared: on the model's device.
        predict: the model.
        contexts: text of the samples.
        options: weights of the modalities.
        counts: samples with a loss token in the whole optimizer step; None: this pass is the step.
    """
    counts = count_samples([prepared]) if counts is None else counts
    velocities = predict(
        prepared.tracks, prepared.inputs, prepared.timesteps, prepared.levels, contexts(prepared.captions)
    )
    total: Tensor = torch.zeros((), device=next(iter(prepared.inputs.values())).device)
    losses: dict[Modality, Tensor] = {}
    for modality, track in prepared.tracks.items():
        if not track.generated:
            continue
        target = velocity_target(track.clean, prepared.noise[modality])
        loss = masked_mse(velocities[modality], target, track.loss_tokens)
        weight = options.weights.get(modality, 1.0)
        total = total + weight * (prepared.weights * loss).sum() / max(1, counts[modality])
        losses[modality] = loss.detach()
    return StepResult(
        total=total,
        losses=losses,
        counted={modality: prepared.counted(modality) for modality in losses},
        levels={modality: prepared.levels[modality] for modality in losses},
        weights=prepared.weights,
    )


def _levels(
    tracks: Mapping[Modality, Track], names: Sequence[str], draws: Draws, options: StepOptions
) -> dict[Modality, Tensor]:
    """`[B]` float32 per modality; a shared level is drawn for the first generated one's token count."""
    shared: Tensor | None = None
    levels: dict[Modality, Tensor] = {}
    for modality, track in tracks.items():
        if not track.generated:
            levels[modality] = torch.zeros(len(names))
            continue
        owner = ANY_MODALITY if options.shared_level else modality
        if shared is None or not options.shared_level:
            drawn = draws.levels(owner, names)
            shared = draw_level(options.level_mode, drawn, track.targets, options.level_params)
        levels[modality] = shared
    return levels
