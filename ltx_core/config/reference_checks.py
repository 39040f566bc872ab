"""Scaled references: that they fit the model in every bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ltx_core.config.root import Config
from ltx_core.curation.buckets import Bucket
from ltx_core.curation.options.references import ReferenceOptions
from ltx_core.errors import ConfigError
from ltx_core.geometry.grid import VideoScale


def check_references(config: Config, scale: VideoScale) -> None:
    """Refuse a factor that a bucket cannot be divided by.

    Raises:
        ConfigError: naming the bucket, the factor and those that would do for all buckets.
    """
    read, buckets = config.training_strategy.columns, config.dataset.buckets
    for name, column, options in _references(config):
        if column in read:
            _check_space(f"dataset.{name}", options.reference_downscale_factor, buckets, scale)
            _check_time(f"dataset.{name}", options.reference_temporal_scale_factor, buckets, scale)


def _references(config: Config) -> Sequence[tuple[str, str, ReferenceOptions]]:
    """(name in the dataset's section, column, options) of all references."""
    further: Mapping[str, ReferenceOptions] = config.dataset.extra_references
    first = ("references", "reference_latents", config.dataset.references)
    return [first, *((f"extra_references.{column}", column, options) for column, options in further.items())]


def _check_space(name: str, factor: int, buckets: Sequence[Bucket], scale: VideoScale) -> None:
    def fits(bucket: Bucket, number: int) -> bool:
        return not (bucket.width % (number * scale.width) or bucket.height % (number * scale.height))

    wrong = next((bucket for bucket in buckets if not fits(bucket, factor)), None)
    if wrong is not None:
        largest = min(bucket.width // scale.width for bucket in buckets)
        good = [number for number in range(1, largest + 1) if all(fits(b, number) for b in buckets)]
        raise ConfigError(
            f"{name}.reference_downscale_factor {factor}: the bucket {wrong} at 1/{factor} of its size is no "
            f"whole number of the model's cells of {scale.width}x{scale.height} pixels; use {_listed(good)}, "
            f"or a bucket whose sides are multiples of {factor * scale.width} and {factor * scale.height}"
        )


def _check_time(name: str, factor: int, buckets: Sequence[Bucket], scale: VideoScale) -> None:
    def fits(bucket: Bucket, number: int) -> bool:
        return not (bucket.frames - 1) % (number * scale.time)

    wrong = next((bucket for bucket in buckets if not fits(bucket, factor)), None)
    if wrong is not None:
        films = [bucket for bucket in buckets if bucket.frames > 1]
        largest = min((bucket.frames - 1) // scale.time for bucket in films)
        good = [number for number in range(1, largest + 1) if all(fits(b, number) for b in films)]
        step = factor * scale.time
        raise ConfigError(
            f"{name}.reference_temporal_scale_factor {factor}: the bucket {wrong} has {wrong.frames} frames; "
            f"frames - 1 must be a multiple of {step}, so that its reference has {scale.time}k+1 frames and "
            f"both end together; use {_listed(good)}, or a bucket of {step + 1} or {2 * step + 1} frames"
        )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "1"
