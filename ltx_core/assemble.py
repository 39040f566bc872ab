"""Mode + batch + draws -> tracks, for training and for sampling. The only place that orders conditions.

Holding conditions come first and combine by maximum; attaching ones come after, in front of the target.
A holding condition draws once per sample, an attaching one once per batch (it changes the length).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch
from torch import Tensor

from ltx_core.conditions.base import Attachment, Condition, Content, Modality
from ltx_core.diffusion.track import Track
from ltx_core.errors import LtxError
from ltx_core.geometry.grid import DEFAULT_FPS, AudioGrid, AudioScale, VideoGrid, VideoScale
from ltx_core.modes import Strategy, Stream, attaching, holding

Coins = Callable[[Modality, int, Sequence[str]], Tensor]
"""(modality, index of the condition, sample names) -> uniform draws `[len(names)]` in [0, 1)."""

WHOLE_BATCH = ("",)
"""The sample name under which a draw for the whole batch is made."""


@dataclass(frozen=True)
class Batch:
    """Samples of one bucket, as read from the dataset.

    Attributes:
        clip_ids: B names.
        video: `[B, C, F, H, W]` latents, or None.
        audio: `[B, c, T, m]` latents, or None; zeros where `audio_present` is False.
        audio_present: `[B]` bool.
        fps: `[B]` each sample's own frame rate.
        columns: content of conditions by column name: latents or masks, batch first.
        column_fps: `[B]` own frame rate of a reference's latents by column name; `fps` where it is missing.
    """

    clip_ids: tuple[str, ...]
    video: Tensor | None = None
    audio: Tensor | None = None
    audio_present: Tensor | None = None
    fps: Tensor | None = None
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    column_fps: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.clip_ids)


@dataclass(frozen=True)
class Scales:
    """The model's compression factors."""

    video: VideoScale
    audio: AudioScale | None = None


def video_tokens(latents: Tensor) -> Tensor:
    """`[B, C, F, H, W]` -> `[B, F*H*W, C]`, frame-major, then row, then column."""
    return latents.flatten(2).transpose(1, 2)


def video_latents(tokens: Tensor, grid: VideoGrid) -> Tensor:
    """`[B, F*H*W, C]` -> `[B, C, F, H, W]`."""
    return tokens.transpose(1, 2).reshape(len(tokens), -1, grid.frames, grid.height, grid.width)


def audio_tokens(latents: Tensor) -> Tensor:
    """`[B, c, T, m]` -> `[B, T, c*m]`, feature = channel * bins + bin."""
    return latents.transpose(1, 2).flatten(2)


def audio_latents(tokens: Tensor, channels: int) -> Tensor:
    """`[B, T, c*m]` -> `[B, c, T, m]`."""
    return tokens.reshape(*tokens.shape[:2], channels, -1).transpose(1, 2)


def assemble(
    strategy: Strategy, batch: Batch, scales: Scales, coins: Coins | None = None
) -> dict[Modality, Track]:
    """Tracks of all modalities that are present.

    Args:
        strategy: the mode.
        batch: the samples.
        scales: the model's factors.
        coins: draws for the conditions' probabilities; None applies every condition (sampling).
    """
    tracks: dict[Modality, Track] = {}
    for modality, stream in strategy.streams.items():
        latents = batch.video if modality == "video" else batch.audio
        if latents is None:
            raise LtxError(f"the batch has no {modality}; the mode {strategy.mode} needs it")
        grids = _grids(modality, latents, batch.fps, scales)
        track = _bare(modality, stream, latents, batch, grids)
        for index, condition in holding(stream):
            applied = _applied(modality, index, condition, batch.clip_ids, coins)
            hold = _hold(modality, condition, grids, batch).to(track.hold)
            track = track.holding(hold * applied.to(hold)[:, None])
        for index, condition in attaching(stream):
            if bool(_applied(modality, index, condition, WHOLE_BATCH, coins).all()):
                attached = _attached(modality, condition, grids, batch, scales)
                track = track.attaching(attached.tokens, attached.positions)
        tracks[modality] = track
    return tracks


def _bare(
    modality: Modality, stream: Stream, latents: Tensor, batch: Batch, grids: Sequence[VideoGrid | AudioGrid]
) -> Track:
    tokens = video_tokens(latents) if modality == "video" else audio_tokens(latents)
    positions = torch.stack([_positions(grid) for grid in grids])
    track = Track.of(tokens, positions, generated=stream.is_generated)
    if modality == "audio" and batch.audio_present is not None:
        return replace(track, present=batch.audio_present.to(tokens.device))
    return track


def _grids(
    modality: Modality, latents: Tensor, fps: Tensor | None, scales: Scales
) -> list[VideoGrid] | list[AudioGrid]:
    if modality == "audio":
        if scales.audio is None:
            raise LtxError("this model has no audio; remove `training_strategy.audio`")
        return [AudioGrid(latents.shape[2], scales.audio)] * len(latents)
    frames, height, width = latents.shape[2:]
    rates = [DEFAULT_FPS] * len(latents) if fps is None else [float(rate) for rate in fps]
    return [VideoGrid(frames, height, width, scales.video, rate) for rate in rates]


@lru_cache(maxsize=64)
def _positions(grid: VideoGrid | AudioGrid) -> Tensor:
    return grid.positions()


def _applied(
    modality: Modality, index: int, condition: Condition, names: Sequence[str], coins: Coins | None
) -> Tensor:
    if coins is None:
        return torch.ones(len(names), dtype=torch.bool)
    return coins(modality, index, names) < condition.probability


def _attached(
    modality: Modality,
    condition: Condition,
    grids: Sequence[VideoGrid | AudioGrid],
    batch: Batch,
    scales: Scales,
) -> Attachment:
    latents = _content(modality, condition, batch)
    fps = batch.column_fps.get(condition.columns[0], batch.fps)
    own = _grids(modality, latents, fps, scales)
    tokens = video_tokens(latents) if modality == "video" else audio_tokens(latents)
    pieces = [condition.attach(grid, Content(tokens[i : i + 1], own[i])) for i, grid in enumerate(grids)]
    return Attachment(
        torch.cat([piece.tokens for piece in pieces]), torch.cat([piece.positions for piece in pieces])
    )


def _hold(
    modality: Modality, condition: Condition, grids: Sequence[VideoGrid | AudioGrid], batch: Batch
) -> Tensor:
    """`[B, N]`: how strongly the condition holds each sample's tokens."""
    contents = _content(modality, condition, batch) if condition.columns else [None] * len(grids)
    return torch.stack([condition.hold(grid, content) for grid, content in zip(grids, contents, strict=True)])


def _content(modality: Modality, condition: Condition, batch: Batch) -> Tensor:
    (column,) = condition.columns
    if column not in batch.columns:
        raise LtxError(
            f"the dataset has no column {column!r}, which condition {condition.type!r} on {modality} reads; "
            f"it has {sorted(batch.columns)}"
        )
    return batch.columns[column]
