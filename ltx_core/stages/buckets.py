"""buckets: the shapes that clips are fitted to, chosen once from the footage where the config says `auto`.

Design choices
- One row, keyed by what was asked for and not by the clips: one more clip must not encode everything anew.
  `rebucket` chooses again, when someone asks for it.
- A mode that leaves nothing to generate in some buckets, or adds tokens where these are limited, has a choice
  of its own: two modes in one workspace do not take each other's away.
- A choice that the mode, the model or the options make invalid is made anew.
- What is counted are the scenes, at the size without their borders: their lengths do not depend on buckets.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ltx_core.config.auto_buckets import auto_limits
from ltx_core.curation.buckets import Bucket, choose_bucket
from ltx_core.curation.buckets_auto import Limits, candidates, choose_buckets, widest_buckets
from ltx_core.curation.buckets_fit import best_bucket, no_limit, too_small, upscale
from ltx_core.curation.buckets_held import Stretch, holdings
from ltx_core.errors import ConfigError, LtxError
from ltx_core.stages.base import Item, Stage, pending
from ltx_core.stages.context import Context
from ltx_core.stages.footage import footage_of
from ltx_core.stages.tokens import tokens_of
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, Row

BUCKETS = "buckets of"
"""What a context remembers the chosen buckets by."""


class Buckets(Stage):
    """The choice."""

    name: ClassVar[str] = "buckets"
    single: ClassVar[bool] = True
    outside: ClassVar[bool] = False

    def needed(self, context: Context) -> bool:
        """Where buckets are chosen and clips have pictures."""
        return chosen_here(context)

    def section(self, context: Context) -> dict[str, Any]:
        """What is asked for, what the model takes, and which footage it is for; not the footage itself."""
        dataset, limits = context.config.dataset, limits_of(context)
        return {
            "options": asdict(dataset.auto_buckets),
            "fps": dataset.fps,
            "units": [limits.width, limits.height, limits.time],
            "upscale": limits.upscale,
            "sources": [_stated(context, source.path) for source in dataset.source],
            **context.memo("bucket restrictions", lambda: _restrictions(context)),
        }

    def items(self, context: Context) -> list[Item]:
        """One, or none where buckets are stated."""
        return [Item(self.key(context, []), "", "buckets")] if chosen_here(context) else []

    def valid(self, context: Context, row: Row) -> bool:
        """Whether the stored choice still fits the model, the mode and the tokens that are allowed."""
        most = context.config.dataset.auto_buckets.max_tokens
        limits = limits_of(context)
        buckets = _stored(row)
        return bool(buckets) and all(
            limits.usable(b) and (most is None or limits.tokens(b) <= most) for b in buckets
        )

    def product(self, context: Context, row: Row) -> dict[str, Any]:
        """The names of the buckets."""
        return {"buckets": list(row.columns["buckets"])}

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Choose.

        Raises:
            LtxError: when the footage or the options leave no bucket.
        """
        for item in items:
            buckets, table = choose(context)
            names = [str(bucket) for bucket in buckets]
            yield pending(item, columns={"buckets": names, "table": table}, content={"buckets": names})


def chosen_here(context: Context) -> bool:
    """Whether buckets are chosen for this run."""
    config = context.config
    return config.dataset.auto and not config.imported and config.training_strategy.video is not None


def buckets_of(context: Context) -> tuple[Bucket, ...]:
    """The buckets of the dataset.

    Raises:
        NotReadyError: when they are still to be chosen from the clips.
    """
    if not chosen_here(context):
        return context.config.dataset.buckets

    def find() -> tuple[Bucket, ...]:
        ((_, row),) = context.results(Buckets.name)
        return _stored(row)

    return context.memo(BUCKETS, find)


def widest_of(context: Context) -> tuple[Bucket, ...]:
    """The largest buckets that could be chosen, for estimates before the choice is made.

    Raises:
        ConfigError: when the options leave none.
    """
    try:
        return widest_buckets(limits_of(context), context.config.dataset.auto_buckets)
    except ValueError as error:
        raise ConfigError(f"dataset.buckets: auto: {error}") from None


def bucket_for(context: Context, size: tuple[int, int], held: int) -> tuple[Bucket | None, str]:
    """The bucket of a clip, or None and the reason where its pictures are too small; (None, "") where it is
    too short.

    Args:
        context: of the config.
        size: width and height of its pictures, without borders.
        held: frames that it holds at the dataset's rate.
    """
    known = context.memo("bucket choices", lambda: _Known(buckets_of(context)))
    if (size, held) not in known.choices:
        known.choices[size, held] = _chosen(context, known.buckets, size, held)
    return known.choices[size, held]


def _chosen(
    context: Context, buckets: Sequence[Bucket], size: tuple[int, int], held: int
) -> tuple[Bucket | None, str]:
    dataset = context.config.dataset
    long_enough = [bucket for bucket in buckets if bucket.frames <= held]
    if not long_enough:
        return None, ""
    # What moves becomes no still because a still's shape is nearer to it.
    buckets = tuple(bucket for bucket in long_enough if bucket.frames > 1) or buckets
    if dataset.auto:
        found = best_bucket(*size, held, buckets, limits_of(context).upscale)
    else:
        limit = no_limit(dataset.max_upscale)
        allowed = [b for b in buckets if upscale(*size, b.width, b.height) <= limit]
        found = choose_bucket(*size, held, allowed)
    return found, "" if found is not None else too_small(*size, long_enough)


@dataclass(frozen=True)
class _Known:
    """Buckets of clips by size and frames: thousands of clips have few of either."""

    buckets: tuple[Bucket, ...]
    choices: dict[tuple[tuple[int, int], int], tuple[Bucket | None, str]] = field(default_factory=dict)


def choose(context: Context) -> tuple[tuple[Bucket, ...], list[dict[str, Any]]]:
    """Buckets for the footage as it is now, and what each holds of it.

    Raises:
        NotReadyError: when its scenes are not known.
        LtxError: when the footage or the options leave no bucket.
    """
    footage, limits = footage_of(context), limits_of(context)
    try:
        buckets = choose_buckets(footage, limits, context.config.dataset.auto_buckets)
    except ValueError as error:
        raise LtxError(f"dataset.buckets: auto: {error}") from None
    if not buckets:
        raise LtxError(
            "dataset.buckets: auto: no scene to choose from; add films or stills to dataset.source (`ltx "
            "plan` says why files were set aside), or leave less out by dataset.scenes"
        )
    return buckets, table_of(footage, buckets, limits)


def table_of(footage: Counter[Stretch], buckets: Sequence[Bucket], limits: Limits) -> list[dict[str, Any]]:
    """What each bucket holds, as a row keeps it."""
    return [
        {
            "bucket": str(one.bucket),
            "clips": one.clips,
            "cropped": round(one.cropped, 4),
            "used": round(one.used, 4),
            "enlarged": one.enlarged,
        }
        for one in holdings(footage, buckets, limits.upscale)
    ]


def limits_of(context: Context) -> Limits:
    """What the model and the mode allow."""

    return context.memo(
        "bucket limits",
        lambda: auto_limits(context.config, context.info, lambda bucket: tokens_of(context, bucket).all),
    )


def _restrictions(context: Context) -> dict[str, str]:
    """What the mode takes away from the choice, so that modes in one workspace have a choice each; nothing
    where it takes nothing away."""
    limits, options = limits_of(context), context.config.dataset.auto_buckets
    found, stated = candidates(limits, options), {}
    unusable = [str(bucket) for bucket in found if not limits.usable(bucket)]
    if unusable:
        stated["unusable"] = digest(unusable)
    most = options.max_tokens
    if most is not None and any(limits.tokens(bucket) > most for bucket in found):
        counted = [tokens_of(context, bucket) for bucket in found]
        further = [one.all - one.video for one in counted]  # of references and sound
        if any(further):
            stated["further tokens"] = digest(further)
    return stated


def _stored(row: Row) -> tuple[Bucket, ...]:
    return tuple(Bucket.parse(text) for text in row.columns["buckets"])


def _stated(context: Context, path: str) -> str:
    """A source's place as seen from the workspace, so that both may be moved together."""
    return os.path.relpath(path, context.config.workspace) if Path(path).is_absolute() else path
