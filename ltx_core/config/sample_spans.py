"""What the conditions of a sample hold of it, from lengths and regions alone: something must be left.

Each condition says itself what it holds (`FileCondition.counted`), here as when the sample is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ltx_core.conditions import Condition, FileCondition, Mask
from ltx_core.conditions.base import Grid, Modality
from ltx_core.conditions.span import SpanFile
from ltx_core.config.coverage import Fault, fault
from ltx_core.config.roles import sample_roles, wanted_modalities
from ltx_core.config.root import Config
from ltx_core.config.samples import SampleSection
from ltx_core.errors import ConfigError
from ltx_core.geometry.grid import VideoGrid
from ltx_core.geometry.units import audio_grid, audio_steps, video_grid
from ltx_core.models.info import ModelInfo
from ltx_core.modes import Role


def check_sample_spans(config: Config) -> str:
    """Refuse samples whose conditions hold all of a modality, or want more than their file has.

    Raises:
        ConfigError: with the sample's prompt, the condition, the lengths and the nearest valid choice.
        MediaError: when a file cannot be read.
    """
    info, held = config.model.read(), 0
    for section in config.validation.samples:
        roles = sample_roles(config.training_strategy, wanted_modalities(config.validation), section)
        for modality, grid in _grids(config, section, info).items():
            stated = [c for c in section.conditions if c.modality == modality and _is_there(c)]
            if roles[modality] is Role.GENERATE:
                held += len(stated)
                _check(section, stated, grid)
    return f"{held} hold a part of their sample"


def _grids(config: Config, section: SampleSection, info: ModelInfo) -> dict[Modality, Grid]:
    """Those that can be; what does not fit the model is refused where sizes are checked."""
    width, height, frames = section.video_dims or config.validation.video_dims
    grids: dict[Modality, Grid] = {}
    with suppress(ValueError):
        grids["video"] = video_grid(width, height, frames, config.validation.frame_rate, info.video_scale)
    if info.audio_scale is not None:
        grids["audio"] = audio_grid(frames / config.validation.frame_rate, info.audio_scale)
    return grids


def _is_there(condition: FileCondition) -> bool:
    return all(path.is_file() for path in condition.paths.values())


def _check(section: SampleSection, stated: Sequence[FileCondition], grid: Grid) -> None:
    made = [_condition(section, condition, grid) for condition in stated]
    found = fault(made, grid)
    if found is not None:
        wrong = stated[found.place]
        raise _refusal(section, wrong, f"{found.found}; {_advice(found, wrong, grid)}")


def _refusal(section: SampleSection, stated: FileCondition, why: str) -> ConfigError:
    path = next(iter(stated.paths.values()))
    return ConfigError(f"validation.samples, {section.prompt!r}, {stated.type} {path}: {why}")


def _condition(section: SampleSection, stated: FileCondition, grid: Grid) -> Condition:
    """What a file's condition is in training; one that holds nothing that can be counted is a mask.

    Raises:
        ConfigError: when it wants more than its file has.
    """
    try:
        return stated.counted(grid, lambda path: _length(path, grid)) or Mask(mask_dir="uncounted")
    except ValueError as error:
        raise _refusal(section, stated, str(error)) from None


def _length(path: Path, grid: Grid) -> int:
    """Pixel frames (audio: latent steps) of a file."""
    if isinstance(grid, VideoGrid):
        from ltx_core.media.decode import frame_count

        return frame_count(path, grid.fps)
    from ltx_core.media.probe import probe

    return audio_steps(probe(path).duration, grid.scale)


def _advice(found: Fault, stated: FileCondition, grid: Grid) -> str:
    """The nearest valid choice in the fields of a sample."""
    if found.largest is None:
        return found.advice
    frames = found.largest
    if isinstance(grid, VideoGrid):
        rate = grid.fps
        frames = stated.pixel(frames, grid.scale.time) if isinstance(stated, SpanFile) else frames
    else:
        rate = grid.scale.latents_per_second
    return f"the largest num_frames that leaves something is {frames} (a duration of {frames / rate:g})"
