"""What the model and the mode allow of buckets that are chosen from the footage."""

from __future__ import annotations

import math
from collections.abc import Callable

from ltx_core.config.coverage import fault
from ltx_core.config.mode_checks import bucket_grid
from ltx_core.config.root import Config
from ltx_core.curation.buckets import Bucket
from ltx_core.curation.buckets_auto import Limits, widest_buckets
from ltx_core.curation.options.buckets import MAX_UPSCALE
from ltx_core.errors import ConfigError
from ltx_core.models.info import ModelInfo


def auto_limits(config: Config, info: ModelInfo, tokens: Callable[[Bucket], int]) -> Limits:
    """Units of the model times factors of the references that the mode reads, and what leaves something.

    Args:
        config: with the mode.
        info: of the model.
        tokens: of a sample of a bucket.
    """
    dataset, scale = config.dataset, info.video_scale
    further = {"reference_latents": dataset.references, **dataset.extra_references}
    read = [options for name, options in further.items() if name in config.training_strategy.columns]
    space = math.lcm(*(options.reference_downscale_factor for options in read))
    time = math.lcm(*(options.reference_temporal_scale_factor for options in read))
    limit = MAX_UPSCALE if dataset.max_upscale is None else dataset.max_upscale
    units = scale.width * space, scale.height * space, scale.time * time
    return Limits(*units, tokens, lambda bucket: _usable(config, info, bucket), limit)


def check_auto(config: Config, info: ModelInfo) -> str:
    """The largest bucket that may be chosen, in words.

    Raises:
        ConfigError: when the options leave none.
    """
    limits = auto_limits(config, info, lambda b: bucket_grid(b, config.dataset.fps, info).tokens)
    try:
        largest = max(widest_buckets(limits, config.dataset.auto_buckets), key=limits.tokens)
    except ValueError as error:
        raise ConfigError(f"dataset.buckets: auto: {error}") from None
    return f"chosen from the footage, at most as {largest} ({limits.tokens(largest)} tokens)"


def _usable(config: Config, info: ModelInfo, bucket: Bucket) -> bool:
    """Whether a bucket fits the model and the mode's conditions leave something to generate in it."""
    video = config.training_strategy.video
    try:
        grid = bucket_grid(bucket, config.dataset.fps, info)
    except ConfigError:
        return False
    return video is None or not video.is_generated or fault(video.conditions, grid) is None
