"""A sample of the config -> strategy and batch: its files become the conditions that training knows.

Content is encoded on the spot as the dataset's own would be; `assemble` then makes tracks as in training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ltx_core.assemble import Batch, audio_latents, audio_tokens, video_latents, video_tokens
from ltx_core.conditions import FileCondition
from ltx_core.conditions.base import Condition, Modality
from ltx_core.conditions.files import Part
from ltx_core.config.roles import sample_roles, wanted_modalities
from ltx_core.config.samples import SampleSection
from ltx_core.errors import ConfigError
from ltx_core.modes import AudioStream, Role, Strategy, VideoStream
from ltx_core.sampling.compose import Piece, compose
from ltx_core.stages.sample_media import Frames, Wave
from ltx_core.stages.sample_target import Target

Parts = Sequence[tuple[FileCondition, Part]]


@dataclass(frozen=True)
class Shown:
    """What of a sample is shown as it was given.

    Attributes:
        frames: of a video that is given whole, uint8 `[F, H, W, 3]`.
        wave, rate: a sound that is given whole, `[2, S]`.
        beside: frames of references to show beside the result.
        sounds: sounds of references to put beside the result, at `rate`.
    """

    frames: Frames | None = None
    wave: Wave | None = None
    rate: int = 0
    beside: tuple[Frames, ...] = ()
    sounds: tuple[Wave, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A sample's conditions, ready for `assemble`."""

    strategy: Strategy
    batch: Batch
    shown: Shown = Shown()


def prepare(target: Target, section: SampleSection) -> Prepared:
    """Roles, conditions and content of a stated sample.

    Raises:
        ConfigError: for a condition that makes no sense, or when nothing is left to generate.
        LtxError: when two conditions have different content on one token.
        MediaError: when a file cannot be read.
    """
    config = target.context.config
    roles = sample_roles(config.training_strategy, wanted_modalities(config.validation), section)
    parts = [
        (condition, condition.part(target, f"sample_{number}"))
        for number, condition in enumerate(section.conditions)
    ]
    streams: dict[Modality, list[Condition]] = {"video": [], "audio": []}
    for stated, part in parts:
        if part.condition is not None:
            streams[stated.modality].append(part.condition)
    latents = {
        modality: _latents(target, modality, role, [(c, p) for c, p in parts if c.modality == modality])
        for modality, role in roles.items()
        if role is not Role.ABSENT
    }
    return Prepared(_strategy(roles, streams), _batch(target, latents, parts), _shown(target, parts))


def _strategy(roles: Mapping[Modality, Role], conditions: Mapping[Modality, Sequence[Condition]]) -> Strategy:
    def stream(modality: Modality) -> dict[str, Any] | None:
        if roles[modality] is Role.ABSENT:
            return None
        return {"is_generated": roles[modality] is Role.GENERATE, "conditions": tuple(conditions[modality])}

    video, audio = stream("video"), stream("audio")
    return Strategy(
        video=None if video is None else VideoStream(**video),
        audio=None if audio is None else AudioStream(**audio),
    )


def _latents(target: Target, modality: Modality, role: Role, parts: Parts) -> Tensor:
    """Target latents `[1, ...]` with the content of all holding conditions.

    Raises:
        ConfigError: when they leave nothing of a generated modality.
        LtxError: when two have different content on one token.
    """
    grid = target.video if modality == "video" else target.audio
    clean = _tokens(modality, target.empty(modality))
    pieces, held = [], torch.zeros(grid.tokens)
    for stated, part in parts:
        if part.content is None:
            continue
        mask = None if part.column is None else part.column[0]
        hold = torch.ones(grid.tokens) if part.condition is None else part.condition.hold(grid, mask)
        held = torch.maximum(held, hold)
        (path, *_) = stated.paths.values()
        pieces.append(Piece(f"{stated.type} {path}", hold, _tokens(modality, part.content)))
    if role is Role.GENERATE and bool((held == 1).all()):
        raise ConfigError(
            f"sample {target.prompt!r}: its conditions keep all of the {modality}, so nothing of it is left "
            f"to generate; keep less, or give the {modality} whole "
            f"({'video_to_audio' if modality == 'video' else 'audio_to_video'})"
        )
    tokens = compose(clean, pieces)[None]
    if modality == "video":
        return video_latents(tokens, target.video)
    return audio_latents(tokens, target.context.info.audio_channels)


def _tokens(modality: Modality, latents: Tensor) -> Tensor:
    """`[N, C]` of one sample's latents."""
    return (video_tokens(latents) if modality == "video" else audio_tokens(latents))[0]


def _batch(target: Target, latents: Mapping[Modality, Tensor], parts: Parts) -> Batch:
    columns, rates = {}, {}
    for _, part in parts:
        if part.condition is not None and part.column is not None:
            (name,) = part.condition.columns
            columns[name] = part.column
            if part.fps is not None:
                rates[name] = torch.tensor([part.fps])
    return Batch(
        (target.prompt,),
        latents.get("video"),
        latents.get("audio"),
        fps=torch.tensor([target.fps]),
        columns=columns,
        column_fps=rates,
    )


def _shown(target: Target, parts: Parts) -> Shown:
    """What is shown as it was given; the frames of a reference and a sound's own are beside the result."""
    frames: Frames | None = None
    wave: Wave | None = None
    beside: list[Frames] = []
    sounds: list[Wave] = []
    for stated, part in parts:
        if part.condition is None:
            frames, wave = (part.frames, wave) if stated.modality == "video" else (frames, part.wave)
        elif part.frames is not None:
            beside.append(part.frames)
        elif part.wave is not None:
            sounds.append(part.wave)
    return Shown(frames, wave, target.context.info.wave_rate, tuple(beside), tuple(sounds))
