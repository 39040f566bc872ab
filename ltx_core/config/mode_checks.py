"""What a mode asks for that its buckets, the model or other sections cannot give; checked before a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ltx_core.conditions.base import Grid, Modality
from ltx_core.config.coverage import fault
from ltx_core.config.root import Config
from ltx_core.curation.buckets import Bucket
from ltx_core.errors import ConfigError
from ltx_core.geometry.grid import VideoGrid
from ltx_core.geometry.units import audio_grid, video_grid
from ltx_core.models.headers import weight_shapes
from ltx_core.models.info import ModelInfo
from ltx_core.models.lora.targets import linear_names, plan_adapters
from ltx_core.modes import Strategy, Stream

Grids = dict[Modality, Grid]


def check_mode(config: Config) -> str:
    """The mode in words.

    Raises:
        ConfigError: when sections contradict the mode.
        ModelError: when the model cannot do it, or a target of the LoRA means none of its layers.
    """
    strategy, info = config.training_strategy, config.model.read()
    if strategy.audio is not None and info.audio_scale is None:
        raise ConfigError(
            f"training_strategy.audio: the mode {strategy.mode} generates or reads audio, but the model in "
            f"{info.path} has none; remove `training_strategy.audio`, or use a model with an audio_vae"
        )
    if strategy.audio is not None:
        info.require("audio_vae", "vocoder")
    _check_once(strategy)
    _check_levels(config)
    _check_weights(config)
    _check_frozen(config)
    if config.model.training_mode == "lora":
        names = linear_names(weight_shapes(info, "transformer"))
        plan_adapters(names, config.lora, list(strategy.streams), config.optimization.frozen)
    return f"{strategy.mode}: columns {', '.join(strategy.columns)}"


def check_coverage(config: Config, info: ModelInfo) -> None:
    """Refuse holding conditions that leave nothing to generate in a bucket, or hold nothing there.

    Raises:
        ConfigError: naming bucket, condition, tokens and the nearest valid choice.
    """
    for bucket, grids in _bucket_grids(config, info):
        check_grids(config.training_strategy, grids, f"dataset bucket {bucket}")


def check_grids(strategy: Strategy, grids: Grids, where: str) -> None:
    """The same for samples on one grid of each modality.

    Raises:
        ConfigError: naming `where`.
    """
    for modality, stream in strategy.streams.items():
        found = fault(stream.conditions, grids[modality]) if modality in grids else None
        if found is not None:
            place = f"training_strategy.{modality}.conditions.{found.place}"
            raise ConfigError(f"{place} in {where}: {found.found}; {found.advice}")


def bucket_grid(bucket: Bucket, fps: float, info: ModelInfo) -> VideoGrid:
    """The latent grid of a bucket.

    Raises:
        ConfigError: when it does not fit the model, with the nearest sizes.
    """
    try:
        return video_grid(bucket.width, bucket.height, bucket.frames, fps, info.video_scale)
    except ValueError as error:
        raise ConfigError(f"dataset.buckets, {bucket}: {error}") from None


def _bucket_grids(config: Config, info: ModelInfo) -> Iterator[tuple[str, Grids]]:
    strategy, dataset, scale = config.training_strategy, config.dataset, info.audio_scale
    if strategy.video is None:
        for seconds in dataset.durations:
            yield f"{seconds:g}s", {} if scale is None else {"audio": audio_grid(seconds, scale)}
        return
    for bucket in dataset.buckets:
        grids: Grids = {"video": bucket_grid(bucket, dataset.fps, info)}
        if scale is not None:
            grids["audio"] = audio_grid(bucket.seconds(dataset.fps), scale)
        yield str(bucket), grids


def _check_once(strategy: Strategy) -> None:
    """Refuse two holding conditions of one type on one modality: together they hold what one of them does."""
    for modality, stream in strategy.streams.items():
        seen: dict[str, int] = {}
        for place, condition in enumerate(stream.conditions):
            if condition.type in seen and not condition.attaches:
                first = seen[condition.type]
                raise ConfigError(
                    f"training_strategy.{modality}.conditions.{place}: a second condition {condition.type!r} "
                    f"beside conditions.{first}; a modality is held by one condition of each type: keep "
                    f"{_kept(stream, first, place)}"
                )
            seen[condition.type] = place


def _kept(stream: Stream, first: int, second: int) -> str:
    """Which of two to keep: the one that holds more."""
    lengths = [getattr(stream.conditions[place], "temporal_boundary", 0) for place in (first, second)]
    if lengths[0] == lengths[1]:
        return f"conditions.{first}"
    longest, place = max(zip(lengths, (first, second), strict=True))
    return f"conditions.{place} (temporal_boundary {longest}, which holds what both do)"


def _check_levels(config: Config) -> None:
    generated = _generated(config.training_strategy)
    if config.flow_matching.shared_sigma and len(generated) < 2:
        raise ConfigError(
            f"flow_matching.shared_sigma is true: it draws one noise level for video and audio, but the mode "
            f"{config.training_strategy.mode} generates {generated[0]} only; set it to false"
        )
    levels = config.flow_matching.timestep_sampling_params
    if levels.min_value > levels.max_value:
        raise ConfigError(
            f"flow_matching.timestep_sampling_params: min_value {levels.min_value:g} is above max_value "
            f"{levels.max_value:g}; the levels lie between the two: nearest: min_value: {levels.max_value:g}"
        )


def _check_weights(config: Config) -> None:
    options, generated = config.optimization, _generated(config.training_strategy)
    weights = {"video": options.video_loss_weight, "audio": options.audio_loss_weight}
    if not any(weights[modality] for modality in generated):
        names = [f"optimization.{modality}_loss_weight" for modality in generated]
        raise ConfigError(
            f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} 0 and the mode generates "
            f"{' and '.join(generated)} only, so nothing would be learned; set {names[0]}=1"
        )


def _check_frozen(config: Config) -> None:
    """Refuse to freeze what the mode does not have, or all of it."""
    frozen, streams = config.optimization.frozen, list(config.training_strategy.streams)
    mode = config.training_strategy.mode
    if missing := [modality for modality in frozen if modality not in streams]:
        raise ConfigError(
            f"optimization.frozen names {missing[0]}, which the mode {mode} does not have: nothing of it "
            "learns anyway; leave it out"
        )
    if frozen and set(frozen) >= set(streams):
        raise ConfigError(
            f"optimization.frozen keeps {' and '.join(frozen)} as it is, and the mode {mode} has no other: "
            "nothing would learn; leave one of its modalities out of it"
        )


def _generated(strategy: Strategy) -> Sequence[Modality]:
    return [modality for modality, stream in strategy.streams.items() if stream.is_generated]
