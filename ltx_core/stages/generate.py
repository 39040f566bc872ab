"""Requests -> frames and sound, with the tracks and conditions that training has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltx_core.assemble import Batch, Coins, assemble
from ltx_core.conditions.base import Modality
from ltx_core.config.samples import SampleSection
from ltx_core.diffusion.levels import schedule
from ltx_core.geometry.grid import VideoGrid
from ltx_core.models.velocity import Velocity
from ltx_core.modes import Strategy
from ltx_core.sampling.decode import decode_audio, decode_video
from ltx_core.sampling.predictor import Predictor
from ltx_core.sampling.sampler import Progress, sample, start_noise
from ltx_core.stages.batches import Contexts, scales
from ltx_core.stages.content import Shown, prepare
from ltx_core.stages.context import Context
from ltx_core.stages.guides import by_prompt, guidance
from ltx_core.stages.sample_target import Target

BATCH, BATCH_TOKENS = 8, 16384
"""Most samples, and tokens of theirs, generated together; results depend on it by float rounding alone."""


@dataclass(frozen=True)
class Request:
    """One sample to generate.

    Attributes:
        name: file name without suffix.
        prompt: its text, which the text stage has encoded.
        seed: of its noise.
        batch: one sample's shapes and condition content.
        coins: which conditions apply; None: all.
        strategy: roles and conditions; None: those of the training.
        shown: what of it is shown as it was given.
        seconds: its duration; None: as long as its latents.
        clip_id: the clip whose own text is the prompt; None: `prompt` is encoded.
    """

    name: str
    prompt: str
    seed: int
    batch: Batch
    coins: Coins | None = None
    strategy: Strategy | None = None
    shown: Shown = field(default_factory=Shown)
    seconds: float | None = None
    clip_id: str | None = None


@dataclass(frozen=True)
class Generated:
    """A generated sample.

    Attributes:
        request: what was asked for.
        frames: uint8 `[F, H, W, 3]`, generated or as given; None for a sample of sound alone.
        fps: frames per second, of the sample's length where it has no frames.
        wave: `[2, S]` in [-1, 1], generated or as given, or None.
        rate: samples per second of `wave`.
        tokens: `[1, N, C]` by modality, as the sampler left them.
    """

    request: Request
    frames: NDArray[np.uint8] | None
    fps: float
    wave: NDArray[np.float32] | None = None
    rate: int = 0
    tokens: Mapping[Modality, Tensor] = field(default_factory=dict)


def prompt_request(
    context: Context, name: str, section: SampleSection, trained: Mapping[str, str] | None = None
) -> Request:
    """The request of a stated sample, its conditions' files encoded on the spot.

    Args:
        context: of the config.
        name: of its file.
        section: the sample.
        trained: metadata of the LoRA, which a reference's scale factors must fit; None: not known.
    """
    validation = context.config.validation
    target = Target(context, section.prompt, section.video_dims or validation.video_dims, trained)
    found = prepare(target, section)
    seed = validation.seed if section.seed is None else section.seed
    return Request(
        name,
        section.prompt,
        seed,
        found.batch,
        strategy=found.strategy,
        shown=found.shown,
        seconds=target.seconds,
    )


def generate(
    context: Context,
    velocity: Velocity,
    contexts: Contexts,
    requests: Sequence[Request],
    progress: Progress | None = None,
) -> list[Generated]:
    """Generate all requests, in order; those of one shape together."""
    done = dict(generate_each(context, velocity, contexts, requests, progress))
    return [done[index] for index in range(len(requests))]


def generate_each(
    context: Context,
    velocity: Velocity,
    contexts: Contexts,
    requests: Sequence[Request],
    progress: Progress | None = None,
) -> Iterator[tuple[int, Generated]]:
    """Each request's number and result as soon as it is there; `progress` counts steps over all batches."""
    batches = together(requests)
    for number, members in enumerate(batches):

        def advance(done: int, steps: int, before: int = number) -> None:
            if progress is not None:
                progress(before * steps + done, len(batches) * steps)

        found = _generate(context, velocity, contexts, [requests[index] for index in members], advance)
        yield from zip(members, found, strict=True)


def together(requests: Sequence[Request]) -> list[list[int]]:
    """Numbers of the requests that are generated in one batch."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, request in enumerate(requests):
        groups.setdefault(_shape(request), []).append(index)
    batches = []
    for members in groups.values():
        size = _at_once(requests[members[0]].batch)
        batches += [members[start : start + size] for start in range(0, len(members), size)]
    return batches


def _at_once(batch: Batch) -> int:
    """How many samples of this size are generated at once."""
    tokens = 0
    for latents, dims in ((batch.video, slice(2, 5)), (batch.audio, slice(2, 3))):
        tokens += 0 if latents is None else math.prod(latents.shape[dims])
    return max(1, min(BATCH, BATCH_TOKENS // max(1, tokens)))


def _generate(
    context: Context, velocity: Velocity, contexts: Contexts, requests: Sequence[Request], progress: Progress
) -> list[Generated]:
    strategy, device = requests[0].strategy or context.config.training_strategy, context.models.device
    batch = _joined([request.batch for request in requests])
    tracks = {
        modality: track.to(device)
        for modality, track in assemble(strategy, batch, scales(context), requests[0].coins).items()
    }
    prompts = [_context(contexts, request.prompt, tracks, request.clip_id) for request in requests]
    validation = context.config.validation
    negative = (
        _context(contexts, validation.negative_prompt, tracks) if by_prompt(context, strategy) else None
    )
    predictor = Predictor(
        velocity,
        {modality: torch.cat([one[modality] for one in prompts]) for modality in tracks},
        negative,
        validation.stg_blocks or (context.info.stg_block,),
    )
    noise = start_noise(tracks, [request.seed for request in requests])
    tokens_made = max(track.targets for track in tracks.values() if track.generated)
    levels = schedule(validation.inference_steps, context.info.schedule, tokens_made)
    tokens = sample(predictor, tracks, noise, levels, guidance(context), progress)
    return _decoded(context, requests, tokens)


def texts_of(context: Context, requests: Sequence[Request]) -> list[str]:
    """The texts that must be encoded for some samples: those of clips are."""
    strategies = [request.strategy or context.config.training_strategy for request in requests]
    negative = any(by_prompt(context, strategy) for strategy in strategies)
    own = [request.prompt for request in requests if request.clip_id is None]
    return [context.config.validation.negative_prompt, *own] if negative else own


def _context(
    contexts: Contexts, prompt: str, modalities: Iterable[Modality], clip_id: str | None = None
) -> dict[Modality, Tensor]:
    """Text contexts `[1, S, D]` of a prompt or a clip, also for a modality that the mode does not train."""
    found = dict(contexts.prompt(prompt) if clip_id is None else contexts((clip_id,)))
    for modality in modalities:
        if modality not in found:
            features = contexts.rows.prompt(prompt) if clip_id is None else contexts.rows.features(clip_id)
            found[modality] = contexts.connectors.context([features], modality)
    return found


def _decoded(
    context: Context, requests: Sequence[Request], tokens: Mapping[Modality, Tensor]
) -> list[Generated]:
    """Tokens as frames and sound; what was given from a file is shown as it was.

    All frames come before all sound: only one autoencoder is loaded at a time.
    """
    frames = [_frames(context, request, tokens, index) for index, request in enumerate(requests)]
    sounds = [_sound(context, request, tokens, index) for index, request in enumerate(requests)]
    return [
        Generated(request, shown, _fps(context, request.batch), *sound, tokens=_one(tokens, index))
        for index, (request, shown, sound) in enumerate(zip(requests, frames, sounds, strict=True))
    ]


def _one(tokens: Mapping[Modality, Tensor], index: int) -> dict[Modality, Tensor]:
    return {modality: found[index : index + 1].cpu() for modality, found in tokens.items()}


def _frames(
    context: Context, request: Request, tokens: Mapping[Modality, Tensor], index: int
) -> NDArray[np.uint8] | None:
    batch = request.batch
    if request.shown.frames is not None or "video" not in tokens or batch.video is None:
        return request.shown.frames
    found = tokens["video"][index : index + 1]
    shown: NDArray[np.uint8] = decode_video(context.models.video(), found, _grid(context, batch.video))[0]
    return shown


def _sound(
    context: Context, request: Request, tokens: Mapping[Modality, Tensor], index: int
) -> tuple[NDArray[np.float32] | None, int]:
    shown, scale = request.shown, context.info.audio_scale
    if shown.wave is not None or "audio" not in tokens or scale is None:
        return shown.wave, shown.rate
    found = tokens["audio"][index : index + 1]
    seconds = request.seconds
    if seconds is None and request.batch.video is not None:
        seconds = _grid(context, request.batch.video).pixel_frames / _fps(context, request.batch)
    waves, rate = decode_audio(
        context.models.audio(), found, seconds or found.shape[1] / scale.latents_per_second
    )
    return waves[0], rate


def _grid(context: Context, latents: Tensor) -> VideoGrid:
    frames, height, width = latents.shape[2:]
    return VideoGrid(frames, height, width, context.info.video_scale)


def _fps(context: Context, batch: Batch) -> float:
    return context.config.validation.frame_rate if batch.fps is None else float(batch.fps[0])


def _shape(request: Request) -> tuple[object, ...]:
    """What must be equal for samples to be generated together."""
    batch = request.batch
    video = None if batch.video is None else tuple(batch.video.shape)
    audio = None if batch.audio is None else tuple(batch.audio.shape)
    columns = tuple((name, tuple(value.shape)) for name, value in sorted(batch.columns.items()))
    rates = tuple((name, float(value[0])) for name, value in sorted(batch.column_fps.items()))
    fps = None if batch.fps is None else float(batch.fps[0])
    coins = None if request.coins is None else id(request.coins)
    return (request.strategy, video, audio, columns, rates, fps, coins)


def _joined(batches: Sequence[Batch]) -> Batch:
    def cat(values: Sequence[Tensor | None]) -> Tensor | None:
        present = [value for value in values if value is not None]
        return torch.cat(present) if present else None

    first = batches[0]
    return replace(
        first,
        clip_ids=tuple(name for batch in batches for name in batch.clip_ids),
        video=cat([batch.video for batch in batches]),
        audio=cat([batch.audio for batch in batches]),
        audio_present=None,
        fps=cat([batch.fps for batch in batches]),
        columns={name: torch.cat([batch.columns[name] for batch in batches]) for name in first.columns},
        column_fps={
            name: torch.cat([batch.column_fps[name] for batch in batches]) for name in first.column_fps
        },
    )
