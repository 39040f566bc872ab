"""Held-out loss per modality at fixed noise and fixed levels.

Design choices
- The noise of a clip is a function of (seed, clip, modality, level index) alone, so the base model and
  the LoRA, any batch size and any order of the clips see the same draws.
- Noise is drawn for target tokens only. With a condition applied or withheld the target's draws stay equal,
  and `counted` names the tokens whose loss counts, so that both are measured on the same ones.
- Levels are the midpoints of n equal parts of [0, 1]; each is measured by itself and averaged by the reader.
- A clip without a loss token in a modality (no sound, a given modality) is not counted there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from ltx_core.conditions.base import Modality
from ltx_core.diffusion.flow_match import corrupt, velocity_target
from ltx_core.diffusion.loss import masked_mse
from ltx_core.diffusion.track import Track
from ltx_core.evaluation.rows import LossRow
from ltx_core.training.step import Contexts, Predict

MODALITIES: tuple[Modality, ...] = ("video", "audio")


class ClipBatch(Protocol):
    """What this room needs to know of a batch: whose clips it holds, in the order of its rows."""

    @property
    def clip_ids(self) -> Sequence[str]:
        """One id per row of the batch."""


@dataclass(frozen=True)
class Noisy:
    """One modality at one noise level, ready for the model.

    Attributes:
        track: positions, holds and the clean tokens.
        tokens: `[B, N, C]` the model's input.
        timesteps: `[B, N]` level per token, 0 where held.
        level: `[B]` the level of the whole modality (0 for a given one).
    """

    track: Track
    tokens: Tensor
    timesteps: Tensor
    level: Tensor


@dataclass
class _Sum:
    losses: dict[str, float] = field(default_factory=dict)

    def add(self, clip_ids: Sequence[str], losses: Sequence[float | None]) -> None:
        """Take a batch's losses."""
        for clip_id, loss in zip(clip_ids, losses, strict=True):
            if loss is None:
                continue
            if clip_id in self.losses:
                raise ValueError(f"clip {clip_id!r} is twice in the held-out batches; each clip counts once")
            self.losses[clip_id] = loss

    def mean(self) -> float:
        """Mean over clips in the order of their ids, so that batches and their order change nothing."""
        return math.fsum(self.losses[clip] for clip in sorted(self.losses)) / len(self.losses)


def midpoint_levels(count: int = 4) -> tuple[float, ...]:
    """Levels (i + 0.5) / count.

    Raises:
        ValueError: for a count below 1.
    """
    if count < 1:
        raise ValueError(f"{count} held-out levels; at least 1 is needed")
    return tuple((index + 0.5) / count for index in range(count))


def fixed_noise(seed: int, clip_id: str, modality: str, level_index: int, shape: tuple[int, int]) -> Tensor:
    """Standard normal noise `[N, C]` float32 on the CPU, a function of its arguments alone."""
    name = f"{seed}\0{clip_id}\0{modality}\0{level_index}".encode()
    digest = hashlib.sha256(name).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return torch.randn(shape, generator=generator)


BatchT = TypeVar("BatchT", bound=ClipBatch)


def heldout_loss(
    batches: Iterable[BatchT],
    assemble: Callable[[BatchT], Mapping[str, Track]],
    predict: Callable[[BatchT, Mapping[str, Noisy]], Mapping[str, Tensor]],
    levels: Sequence[float],
    seed: int,
    counted: Callable[[BatchT], Mapping[str, Tensor]] | None = None,
) -> list[LossRow]:
    """Loss of every modality at every level, over all clips of `batches`.

    Args:
        batches: held-out clips, any batch size; each has `clip_ids`.
        assemble: batch -> track per modality; it decides which conditions apply.
        predict: batch and noisy tracks -> velocity `[B, N, C]` per modality.
        levels: noise levels in (0, 1].
        seed: with the clip's id it names the noise.
        counted: batch -> target tokens `[B, targets]` per modality whose loss counts; by default those of the
            track. A modality that it leaves out is not measured.

    Returns:
        One row per (modality, level) that has at least one clip with a loss token.

    Raises:
        ValueError: when two rows of the batches have the same clip id.
    """
    sums: dict[tuple[str, int], _Sum] = {}
    for batch in batches:
        for index in range(len(levels)):
            at = [index] * len(batch.clip_ids)
            for modality, losses in row_losses(batch, assemble, predict, levels, at, seed, counted).items():
                sums.setdefault((modality, index), _Sum()).add(batch.clip_ids, losses)
    return [
        LossRow(modality, float(levels[index]), total.mean(), len(total.losses))
        for (modality, index), total in sorted(sums.items())
        if total.losses
    ]


def row_losses(
    batch: BatchT,
    assemble: Callable[[BatchT], Mapping[str, Track]],
    predict: Callable[[BatchT, Mapping[str, Noisy]], Mapping[str, Tensor]],
    levels: Sequence[float],
    at: Sequence[int],
    seed: int,
    counted: Callable[[BatchT], Mapping[str, Tensor]] | None = None,
) -> dict[str, list[float | None]]:
    """Loss of each row of a batch at a level of its own, in one forward pass.

    Args:
        batch: B rows; a clip may be there at several levels.
        assemble, predict, levels, seed, counted: as for `heldout_loss`.
        at: B indices of `levels`.

    Returns:
        B losses by generated modality; None where a row has no token that counts.
    """
    with torch.no_grad():
        tracks = assemble(batch)
        tokens = counted(batch) if counted is not None else loss_tokens(tracks)
        noisy, targets = _corrupt_all(batch, tracks, seed, levels, at)
        velocities = predict(batch, noisy)
        return {
            modality: _losses(velocities[modality], targets[modality], tokens[modality])
            for modality in targets
            if modality in tokens
        }


def _corrupt_all(
    batch: ClipBatch, tracks: Mapping[str, Track], seed: int, levels: Sequence[float], at: Sequence[int]
) -> tuple[dict[str, Noisy], dict[str, Tensor]]:
    noisy: dict[str, Noisy] = {}
    targets: dict[str, Tensor] = {}
    for modality, track in tracks.items():
        noise = _batch_noise(batch.clip_ids, track, modality, seed, at)
        own = track.clean.new_tensor([levels[index] if track.generated else 0.0 for index in at])
        tokens, timesteps = corrupt(track, noise, own)
        noisy[modality] = Noisy(track, tokens, timesteps, own)
        if track.generated:
            targets[modality] = velocity_target(track.clean, noise)
    return noisy, targets


def _batch_noise(
    clip_ids: Sequence[str], track: Track, modality: str, seed: int, at: Sequence[int]
) -> Tensor:
    _, tokens, channels = track.clean.shape
    attached = tokens - track.targets
    noise = torch.zeros(track.clean.shape)
    for row, (clip_id, index) in enumerate(zip(clip_ids, at, strict=True)):
        noise[row, attached:] = fixed_noise(seed, clip_id, modality, index, (track.targets, channels))
    return noise.to(track.clean)


def loss_tokens(tracks: Mapping[str, Track]) -> dict[str, Tensor]:
    """`[B, targets]` bool by modality: the target tokens that have a loss."""
    return {name: track.loss_tokens[:, -track.targets :] for name, track in tracks.items()}


def _losses(velocity: Tensor, target: Tensor, tokens: Tensor) -> list[float | None]:
    count = tokens.shape[1]
    tokens = tokens.to(velocity.device)
    losses = masked_mse(velocity[:, -count:], target[:, -count:], tokens)
    pairs = zip(losses.tolist(), tokens.any(-1).tolist(), strict=True)
    return [loss if counts else None for loss, counts in pairs]


def with_model(
    predict: Predict, contexts: Contexts
) -> Callable[[ClipBatch, Mapping[str, Noisy]], Mapping[str, Tensor]]:
    """`predict` of `heldout_loss` from the two callables of a training step; every caption is used."""

    def bound(batch: ClipBatch, noisy: Mapping[str, Noisy]) -> Mapping[str, Tensor]:
        items = {modality: noisy[modality] for modality in MODALITIES if modality in noisy}
        found = predict(
            {modality: item.track for modality, item in items.items()},
            {modality: item.tokens for modality, item in items.items()},
            {modality: item.timesteps for modality, item in items.items()},
            {modality: item.level for modality, item in items.items()},
            contexts(batch.clip_ids),
        )
        return {str(modality): velocity for modality, velocity in found.items()}

    return bound
