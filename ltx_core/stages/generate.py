"""Samples: prompts and held-out clips -> frames and sound, with the tracks and conditions of the mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltx_core.assemble import Batch, Coins, assemble
from ltx_core.conditions.base import Modality
from ltx_core.config.samples import SampleSection
from ltx_core.diffusion.levels import schedule
from ltx_core.geometry.grid import VideoGrid
from ltx_core.geometry.units import audio_grid, video_grid
from ltx_core.media.sheet import Strip, contact_sheet, pick_frames
from ltx_core.media.write import write_video
from ltx_core.models.velocity import Velocity
from ltx_core.sampling.decode import decode_audio, decode_video
from ltx_core.sampling.guidance import Guidance
from ltx_core.sampling.predictor import Predictor
from ltx_core.sampling.sampler import sample, start_noise
from ltx_core.stages.batches import Contexts, scales
from ltx_core.stages.content import condition_columns
from ltx_core.stages.context import Context
from ltx_core.store.disk import write_atomic

BATCH = 8
"""Samples generated together; their results do not depend on it beyond float rounding."""
SHEET = "sheet.png"
SHEET_FRAMES = 9
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """One sample to generate.

    Attributes:
        name: file name without suffix.
        prompt: its text, which the text stage has encoded.
        seed: of its noise.
        batch: one sample's shapes and condition content.
        coins: which conditions apply; None: all.
    """

    name: str
    prompt: str
    seed: int
    batch: Batch
    coins: Coins | None = None


@dataclass(frozen=True)
class Generated:
    """A generated sample.

    Attributes:
        request: what was asked for.
        frames: uint8 `[F, H, W, 3]`, generated or as given; None for a sample of sound alone.
        fps: frames per second, of the sample's length where it has no frames.
        wave: `[2, S]` in [-1, 1], generated or as given, or None.
        rate: samples per second of `wave`.
    """

    request: Request
    frames: NDArray[np.uint8] | None
    fps: float
    wave: NDArray[np.float32] | None = None
    rate: int = 0


def prompt_request(context: Context, name: str, section: SampleSection) -> Request:
    """The request of a sample that the config states, its conditions' files encoded on the spot."""
    validation = context.config.validation
    width, height, frames = section.video_dims or validation.video_dims
    info, fps = context.info, validation.frame_rate
    grid = video_grid(width, height, frames, fps, info.video_scale)
    streams = context.config.training_strategy.streams
    video = torch.zeros(1, info.video_channels, grid.frames, grid.height, grid.width)
    audio = None
    if "audio" in streams and info.audio_scale is not None:
        steps = audio_grid(frames / fps, info.audio_scale).steps
        audio = torch.zeros(1, info.audio_channels, steps, info.audio_bins)
    batch = Batch((name,), video if "video" in streams else None, audio, fps=torch.tensor([fps]))
    batch, coins = condition_columns(context, section, batch, (width, height, frames))
    seed = validation.seed if section.seed is None else section.seed
    return Request(name, section.prompt, seed, batch, coins)


def generate(
    context: Context,
    velocity: Velocity,
    contexts: Contexts,
    requests: Sequence[Request],
    progress: Progress | None = None,
) -> list[Generated]:
    """Generate all requests, in order; those of one shape together."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, request in enumerate(requests):
        groups.setdefault(_shape(request), []).append(index)
    done: dict[int, Generated] = {}
    batches = [members[i : i + BATCH] for members in groups.values() for i in range(0, len(members), BATCH)]
    for number, members in enumerate(batches):
        found = _generate(context, velocity, contexts, [requests[index] for index in members])
        done.update(zip(members, found, strict=True))
        if progress is not None:
            progress(number + 1, len(batches))
    return [done[index] for index in range(len(requests))]


def write_samples(folder: Path, generated: Sequence[Generated]) -> list[Path]:
    """Write each sample as MP4 with sound, and one contact sheet of all."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for found in generated:
        path = folder / f"{found.request.name}.mp4"
        assert found.frames is not None
        write_video(path, found.frames, found.fps, found.wave, found.rate)
        paths.append(path)
    if generated:
        strips = [
            Strip(pick_frames(found.frames, SHEET_FRAMES), found.request.prompt)
            for found in generated
            if found.frames is not None
        ]
        write_atomic(folder / SHEET, contact_sheet(strips))
    return paths


def _generate(
    context: Context, velocity: Velocity, contexts: Contexts, requests: Sequence[Request]
) -> list[Generated]:
    strategy, device = context.config.training_strategy, context.models.device
    batch = _joined([request.batch for request in requests])
    tracks = {
        modality: track.to(device)
        for modality, track in assemble(strategy, batch, scales(context), requests[0].coins).items()
    }
    found = [contexts.prompt(request.prompt) for request in requests]
    validation = context.config.validation
    predictor = Predictor(
        velocity,
        {modality: torch.cat([one[modality] for one in found]) for modality in tracks},
        contexts.prompt(validation.negative_prompt),
        validation.stg_blocks or (context.info.stg_block,),
    )
    noise = start_noise(tracks, [request.seed for request in requests])
    tokens = sample(predictor, tracks, noise, schedule(validation.inference_steps), guidance(context))
    return list(_decoded(context, requests, batch, tokens))


def guidance(context: Context) -> dict[Modality, Guidance]:
    """Guidance per modality, from the config."""
    found = context.config.validation
    return {
        "video": Guidance(
            found.video_cfg_scale,
            found.video_stg_scale,
            found.video_modality_guidance_scale,
            found.guidance_rescale,
        ),
        "audio": Guidance(
            found.audio_cfg_scale,
            found.audio_stg_scale,
            found.audio_modality_guidance_scale,
            found.guidance_rescale,
        ),
    }


def _decoded(
    context: Context, requests: Sequence[Request], batch: Batch, tokens: dict[Modality, Tensor]
) -> Iterator[Generated]:
    if batch.video is None:
        raise ValueError("a sample without video cannot be written as a video")
    frames, height, width = batch.video.shape[2:]
    fps = [24.0] * batch.size if batch.fps is None else [float(rate) for rate in batch.fps]
    grid = VideoGrid(frames, height, width, context.info.video_scale, fps[0])
    pictures = decode_video(context.models.video(), tokens["video"], grid)
    waves, rate = None, 0
    if "audio" in tokens:
        seconds = grid.pixel_frames / fps[0]
        waves, rate = decode_audio(context.models.audio(), tokens["audio"], seconds)
    for index, request in enumerate(requests):
        wave = None if waves is None else waves[index]
        yield Generated(request, pictures[index], fps[index], wave, rate)


def _shape(request: Request) -> tuple[object, ...]:
    batch = request.batch
    video = None if batch.video is None else tuple(batch.video.shape)
    audio = None if batch.audio is None else tuple(batch.audio.shape)
    columns = tuple((name, tuple(value.shape)) for name, value in sorted(batch.columns.items()))
    fps = None if batch.fps is None else float(batch.fps[0])
    return (video, audio, columns, fps, None if request.coins is None else id(request.coins))


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
    )
