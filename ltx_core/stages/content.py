"""Content of a sample's conditions from files, encoded on the spot as the dataset's own would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltx_core.assemble import Batch, Coins
from ltx_core.conditions.base import Modality
from ltx_core.config.samples import SampleSection
from ltx_core.encoding.video import encode_video
from ltx_core.errors import ConfigError
from ltx_core.media.decode import frame_times, read_frames
from ltx_core.media.fit import fit
from ltx_core.media.window import FrameWindow
from ltx_core.stages.context import Context

Dims = tuple[int, int, int]
"""Width, height, frames."""


def condition_columns(
    context: Context, section: SampleSection, batch: Batch, dims: Dims
) -> tuple[Batch, Coins]:
    """The batch with the content of the sample's conditions, and draws that apply exactly those.

    Raises:
        ConfigError: when the sample states a condition that the mode does not have.
        MediaError: when a file cannot be read.
    """
    video = context.config.training_strategy.video
    known = {condition.type: (i, condition) for i, condition in enumerate(video.conditions)} if video else {}
    columns: dict[str, Tensor] = {}
    applied: set[int] = set()
    for stated in section.conditions:
        if stated.type not in known:
            raise ConfigError(
                f"sample {section.prompt!r} states a {stated.type} condition, but the mode "
                f"{context.config.training_strategy.mode} has {', '.join(known) or 'none'}; remove it"
            )
        index, condition = known[stated.type]
        (path,) = stated.paths.values()
        applied.add(index)
        if condition.attaches:
            frames = read_fitted(path, dims, context.config.validation.frame_rate)
            columns[condition.columns[0]] = _encode(context, frames)
        elif batch.video is not None:
            first = read_fitted(path, (dims[0], dims[1], 1), context.config.validation.frame_rate)
            clean = batch.video.clone()
            clean[:, :, :1] = _encode(context, first)
            batch = replace(batch, video=clean)

    def coins(modality: Modality, index: int, names: Sequence[str]) -> Tensor:
        # Applied when strictly below the probability; 1 is never below it.
        return torch.full((len(names),), 0.0 if index in applied and modality == "video" else 1.0)

    return replace(batch, columns=columns), coins


def read_fitted(path: Path, dims: Dims, fps: float) -> NDArray[np.uint8]:
    """The first frames of a video or an image at `fps`, fitted: uint8 `[F, H, W, 3]`.

    Raises:
        ConfigError: when the video is shorter than the sample.
        MediaError: when it cannot be read.
    """
    width, height, count = dims
    times = frame_times(path)
    if times[-1] - times[0] + 1 / fps < (count - 1) / fps:
        raise ConfigError(
            f"{path} lasts {times[-1] - times[0]:.2f} s; a sample of {count} frames at {fps:g} per second "
            f"needs {(count - 1) / fps:.2f} s. Give a longer file or fewer frames (`video_dims`)"
        )
    indices = FrameWindow(times[0], fps, count).frames(times)
    return fit(read_frames(path, indices), width, height)


def _encode(context: Context, frames: NDArray[np.uint8]) -> Tensor:
    latents = encode_video(context.models.video(), frames, context.config.dataset.latents_dtype)
    return latents.float()[None]
