"""What batches of a dataset are made of: clips and tokens of its shapes, and how often each sample comes.

No torch, no pixels: it is told by `ltx plan` and `ltx show dataset`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ltx_core.curation.buckets import Bucket, DurationBucket
from ltx_core.curation.buckets_fit import kept_pixels, upscale
from ltx_core.curation.options.buckets import MAX_UPSCALE
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.buckets import Buckets, chosen_here
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import gather
from ltx_core.stages.footage import footage_of
from ltx_core.stages.scores import kept_clips
from ltx_core.stages.tokens import tokens_of
from ltx_core.store.dataset import Sample
from ltx_core.training.counts import Share
from ltx_core.training.order import Order, make_order

Table = dict[str, Any]
HOLDS = ("bucket", "clips", "cut off", "frames used", "enlarged")
TRAINS = ("train", "tokens", "batch", "steps")


def shape_tokens(context: Context, samples: Sequence[Sample]) -> dict[str, int]:
    """Tokens of a sample of each shape, over all streams, attached references included."""
    first = {sample.shape: sample for sample in samples}
    return {shape: tokens_of(context, bucket_of(context, sample)).all for shape, sample in first.items()}


def bucket_of(context: Context, sample: Sample) -> Bucket:
    """The bucket of a sample."""
    if context.config.training_strategy.video is None:
        return DurationBucket.of(sample.duration)
    return Bucket.parse(sample.bucket)


def shares_of(samples: Sequence[Sample]) -> dict[str, Share]:
    """How often samples come in an epoch, where that is not once."""
    found = {sample.clip_id: (sample.repeats, sample.weight) for sample in samples}
    kinds = {kind: Share.of(*kind) for kind in set(found.values())}
    return {clip_id: kinds[kind] for clip_id, kind in found.items() if kind != (1, 1.0)}


def order_of(context: Context, samples: Sequence[Sample]) -> Order:
    """The order of a training in one process, of its samples."""
    options = context.config.optimization
    return make_order(
        {sample.clip_id: sample.shape for sample in samples},
        shape_tokens(context, samples),
        shares_of(samples),
        options,
        context.config.seed,
        options.gradient_accumulation_steps,
    )


def trained_samples(context: Context) -> list[Sample]:
    """The samples that train, from the rows that are there; none while rows are missing."""
    try:
        return [sample for sample, _ in gather(context)[0] if sample.split == "train"]
    except NotReadyError:
        return []


def mixture_tables(context: Context) -> list[Table]:
    """What each bucket holds and how it is batched, what each source gives; none while no clip is known."""
    trained = trained_samples(context)
    if context.config.imported:
        return [_trained_table(context, trained)] if trained else []
    clips = _known_clips(context)
    if clips is None:
        return _chosen_table(context)
    tables = [_bucket_table(context, clips, trained)] if clips else []
    return [*tables, *_source_table(clips, trained)]


def _known_clips(context: Context) -> list[Clip] | None:
    """The clips that filters keep; all of them before they are measured; None before films are cut."""
    for find in (kept_clips, all_clips):
        try:
            return find(context)
        except NotReadyError:
            continue
    return None


def _chosen_table(context: Context) -> list[Table]:
    """What the choice was made by, before clips are cut."""
    if not chosen_here(context) or not (rows := context.committed(Buckets.name)):
        return []
    (row,) = rows.values()
    columns, cells = chosen_rows(row.columns["table"])
    return [_table("buckets as chosen", columns, cells)]


def chosen_rows(table: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Columns and rows of what buckets held when they were chosen."""
    return HOLDS[:-1], [
        (one["bucket"], str(one["clips"]), _percent(one["cropped"]), _percent(one["used"])) for one in table
    ]


def _bucket_table(context: Context, clips: Sequence[Clip], trained: Sequence[Sample]) -> Table:
    groups: dict[Bucket, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(clip.bucket, []).append(clip)
    total = sum(one.frames * count for one, count in footage_of(context).items() if one.frames > 1)
    batches = _batches(context, trained)
    columns = (*HOLDS, *TRAINS) if trained else HOLDS
    rows = [
        (str(bucket), *_held(bucket, groups[bucket], total), *batches.get(str(bucket), ("0", *[""] * 3)))
        for bucket in sorted(groups)
    ]
    used = sum(clip.bucket.frames for clip in clips if clip.bucket.frames > 1)
    lost = _lost(clips)
    whole = _percent(used / total) if total else ""
    steps = sum(int(cells[-1]) for cells in batches.values())
    rows.append(("all", len(clips), _percent(lost), whole, "", len(trained), "", "", steps))
    return _table("buckets", columns, [row[: len(columns)] for row in rows])


def _trained_table(context: Context, trained: Sequence[Sample]) -> Table:
    rows = [(name, *cells) for name, cells in sorted(_batches(context, trained).items())]
    return _table("buckets", ("bucket", *TRAINS), rows)


def _held(bucket: Bucket, clips: Sequence[Clip], total: int) -> tuple[Any, ...]:
    """Cells of a bucket: clips, share cut off, share of all frames, clips that are enlarged much."""
    if isinstance(bucket, DurationBucket):
        return len(clips), "", "", ""
    used = _percent(len(clips) * bucket.frames / total) if bucket.frames > 1 and total else ""
    sizes = Counter((clip.width, clip.height) for clip in clips)
    factors = {size: upscale(*size, bucket.width, bucket.height) for size in sizes}
    many = sum(count for size, count in sizes.items() if factors[size] > MAX_UPSCALE)
    enlarged = f"{many} (up to x{max(factors.values()):.3g})" if many else ""
    return len(clips), _percent(_lost(clips)), used, enlarged


def _lost(clips: Sequence[Clip]) -> float:
    """Share of the clips' pixels that is cut off, on average."""
    kinds = Counter((c.width, c.height, c.bucket.width, c.bucket.height) for c in clips if c.has_picture)
    lost = sum(count * (1 - float(kept_pixels(*kind))) for kind, count in kinds.items())
    return lost / len(clips)


def _batches(context: Context, trained: Sequence[Sample]) -> dict[str, tuple[Any, ...]]:
    """Samples, tokens of one, samples of a step and steps of the first epoch by bucket."""
    if not trained:
        return {}
    order, tokens = order_of(context, trained), shape_tokens(context, trained)
    names = {sample.shape: str(bucket_of(context, sample)) for sample in trained}
    return {
        names[shape]: (len(ids), tokens[shape], order.sizes[shape], order.steps_of(shape, 0))
        for shape, ids in order.groups.items()
    }


def _source_table(clips: Sequence[Clip], trained: Sequence[Sample]) -> list[Table]:
    """What each source gives, where there are several or one is special."""
    origins = {clip.file.origin.name: clip.file.origin for clip in clips}
    if len(origins) < 2 and all((o.repeats, o.weight) == (1, 1.0) for o in origins.values()):
        return []
    name_of = {clip.clip_id: clip.file.origin.name for clip in clips}
    counts, trains = Counter(name_of.values()), Counter(name_of[s.clip_id] for s in trained)
    seen = {name: float(Share.of(o.repeats, o.weight).value) * trains[name] for name, o in origins.items()}
    rows = [
        (
            name,
            counts[name],
            trains[name] if trained else "",
            origin.repeats,
            f"{origin.weight:g}",
            _percent(seen[name] / sum(seen.values())) if trained else "",
            "regularisation" if origin.regularisation else "",
        )
        for name, origin in origins.items()
    ]
    return [_table("sources", ("source", "clips", "train", "repeats", "weight", "of an epoch", "use"), rows)]


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    return {"title": title, "columns": tuple(columns), "rows": [[str(cell) for cell in row] for row in rows]}
