"""What of `validation.samples` can be checked before anything runs: roles, files, sizes."""

from __future__ import annotations

from ltx_core.config.roles import clip_roles, sample_roles, wanted_modalities
from ltx_core.config.root import Config
from ltx_core.config.samples import SampleSection
from ltx_core.errors import ConfigError
from ltx_core.geometry.units import video_grid
from ltx_core.models.info import ModelInfo
from ltx_core.modes import Role


def check_samples(config: Config) -> str:
    """One line on the samples that the config asks for.

    Raises:
        ConfigError: for one that cannot be made, with its prompt and the fix.
    """
    strategy, wanted = config.training_strategy, wanted_modalities(config.validation)
    info, samples = config.model.read(), config.validation.samples
    if not samples:
        if config.validation.heldout_samples:
            clip_roles(strategy, wanted)
        return f"held-out clips, at most {config.validation.heldout_samples}"
    for section in samples:
        roles = sample_roles(strategy, wanted, section)
        if roles["audio"] is not Role.ABSENT and info.audio_scale is None:
            raise ConfigError(
                f"sample {section.prompt!r} has sound and the model has no audio; "
                "set validation.generate_audio=false and remove audio conditions"
            )
        _check_files(section)
        if roles["video"] is not Role.ABSENT:
            _check_size(section, config, info)
    files = sum(len(condition.paths) for section in samples for condition in section.conditions)
    return f"{len(samples)} stated, {files} files of conditions"


def _check_files(section: SampleSection) -> None:
    for condition in section.conditions:
        for field, path in condition.paths.items():
            if not path.is_file():
                raise ConfigError(
                    f"sample {section.prompt!r}, {condition.type}: {field} {path} does not exist; relative "
                    "paths are relative to the folder in which the command is run"
                )


def _check_size(section: SampleSection, config: Config, info: ModelInfo) -> None:
    dims = section.video_dims or config.validation.video_dims
    try:
        video_grid(*dims, config.validation.frame_rate, info.video_scale)
    except ValueError as error:
        raise ConfigError(f"sample {section.prompt!r}, video_dims {list(dims)}: {error}") from None
