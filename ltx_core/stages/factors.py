"""Scale factors of a dataset's references, detected from their shapes, for the LoRA's metadata.

A LoRA learns one pair of factors for each reference: clips that disagree are refused before any training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ltx_core.conditions.reference import spatial_factor, temporal_factor
from ltx_core.errors import LtxError
from ltx_core.geometry.grid import VideoGrid, VideoScale
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import filled_by, load_samples
from ltx_core.store.dataset import Sample

SPACE, TIME = "reference_downscale_factor", "reference_temporal_scale_factor"
"""Names in a checkpoint's metadata."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Factors:
    """Of one reference: target over reference, in size and in frames."""

    space: int = 1
    time: int = 1


@dataclass(frozen=True)
class _Pair:
    """The latents of a clip and of its reference, and their factors; `time` is None for a single frame."""

    name: str
    target: VideoGrid
    reference: VideoGrid
    space: int
    time: int | None


def reference_factors(context: Context) -> dict[str, Factors]:
    """Factors of each video reference of the mode by its column, the same for every clip.

    Raises:
        LtxError: when a reference does not fit its clip, or two clips disagree; both shapes are named.
    """
    video = context.config.training_strategy.video
    if video is None:
        return {}
    columns = [name for c in video.conditions if c.attaches for name in c.columns]
    return context.memo("reference factors", lambda: _detected(context, video.latents_dir, columns))


def factor_metadata(context: Context) -> dict[str, str]:
    """The factors as a checkpoint states them: a number, or JSON by column where references differ."""
    found = reference_factors(context)
    if not found:
        return {}
    return {
        SPACE: _stated({column: factors.space for column, factors in found.items()}),
        TIME: _stated({column: factors.time for column, factors in found.items()}),
    }


def _stated(factors: Mapping[str, int]) -> str:
    numbers = set(factors.values())
    return str(*numbers) if len(numbers) == 1 else json.dumps(factors, sort_keys=True)


def _detected(context: Context, target: str, columns: Sequence[str]) -> dict[str, Factors]:
    _, samples = load_samples(context)
    clips = _shapes(context, target, samples)
    found = {}
    for column in columns:
        shapes = _shapes(context, column, samples)
        pairs = [_pair(context, s, column, clips[s.clip_id], shapes[s.clip_id]) for s in samples]
        found[column] = _agreed(column, pairs)
    return found


def _shapes(context: Context, column: str, samples: Sequence[Sample]) -> dict[str, Shape]:
    """Shape of each sample's tensor in a column, by clip; no tensor is read."""
    keys = {sample.clip_id: sample.columns[column] for sample in samples}
    rows = context.store.lookup(filled_by(context, column), list(dict.fromkeys(keys.values())))
    return {clip_id: rows[key].tensors[0].shape for clip_id, key in keys.items()}


def _pair(context: Context, sample: Sample, column: str, target: Shape, reference: Shape) -> _Pair:
    scale = context.info.video_scale
    clip, own = _grid(target, scale), _grid(reference, scale)
    try:
        time = None if clip.frames == 1 else temporal_factor(clip, own)
        return _Pair(sample.name, clip, own, spatial_factor(clip, own), time)
    except LtxError as error:
        raise LtxError(f"{column} of {sample.name}: {error}") from None


def _grid(shape: Shape, scale: VideoScale) -> VideoGrid:
    frames, height, width = shape[-3:]
    return VideoGrid(frames, height, width, scale)


def _agreed(column: str, pairs: Sequence[_Pair]) -> Factors:
    """The factors of all pairs; a single frame says nothing about time."""
    first = pairs[0]
    timed = next((pair for pair in pairs if pair.time is not None), None)
    for pair in pairs:
        if pair.space != first.space:
            raise _disagreement(column, SPACE, (first, first.space), (pair, pair.space))
        if timed is not None and pair.time not in (None, timed.time):
            raise _disagreement(column, TIME, (timed, timed.time), (pair, pair.time))
    return Factors(first.space, 1 if timed is None or timed.time is None else timed.time)


def _disagreement(column: str, name: str, *found: tuple[_Pair, int | None]) -> LtxError:
    said = " and ".join(
        f"{factor} in {pair.name} (a target of {_size(pair.target)}, a reference of {_size(pair.reference)})"
        for pair, factor in found
    )
    return LtxError(
        f"the clips disagree on the {name} of {column}: it is {said}, in latents. A LoRA learns one: prepare "
        "all references with the same factors"
    )


def _size(grid: VideoGrid) -> str:
    return f"{grid.width}x{grid.height}x{grid.frames}"
