"""`ltx plan --rebucket`: choose buckets anew, and what that changes, before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ltx_core.curation.buckets import Bucket
from ltx_core.errors import LtxError
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.buckets import BUCKETS, Buckets, buckets_of, choose, chosen_here
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips, clips_of
from ltx_core.stages.context import Context


@dataclass(frozen=True)
class Rebucketing:
    """A new choice beside the one that is stored.

    Attributes:
        old: the stored buckets; None where none were chosen.
        new: those of the footage as it is now.
        table: what each of them holds.
        clips: all clips with the new buckets.
        anew: clips among them whose frames are not those of a clip of before: they are encoded anew.
        gone: clips of before that are no more.
    """

    old: tuple[Bucket, ...] | None
    new: tuple[Bucket, ...]
    table: list[dict[str, Any]]
    clips: int
    anew: int
    gone: int


def propose(context: Context) -> Rebucketing:
    """The choice for the footage as it is now; nothing is changed.

    Raises:
        LtxError: where buckets are stated, the scenes are not known, or no bucket can be chosen.
    """
    if not chosen_here(context):
        raise LtxError("--rebucket: this config states its buckets; write `dataset.buckets: auto` first")
    try:
        new, table = choose(context)
    except NotReadyError:
        raise LtxError(
            "--rebucket: the scenes are not known yet; run `ltx stage scenes CONFIG` first"
        ) from None
    try:
        old: tuple[Bucket, ...] | None = buckets_of(context)
        before = {clip.pixels for clip in all_clips(context)}
    except NotReadyError:
        old, before = (buckets_of(context) if context.committed(Buckets.name) else None), set()
    after = {clip.pixels for clip in _clips_with(context, new)}
    return Rebucketing(old, new, table, len(after), len(after - before), len(before - after))


def rebucket(context: Context) -> None:
    """Store the choice for the footage as it is now.

    Raises:
        LtxError: as `propose`.
        StoreError: when the store cannot be written.
    """
    stage = context.registry[Buckets.name]
    rows = list(stage.compute(context, context.items(Buckets.name)))
    context.store.write(stage.meta(context), rows, replace=True)
    context.refresh()


def _clips_with(context: Context, buckets: tuple[Bucket, ...]) -> Iterator[Clip]:
    """The clips that would be cut with other buckets; no row is written."""
    other = Context(context.config, context.registry)
    other.memo(BUCKETS, lambda: buckets)
    facts = {item.clip_id: row for item, row in other.results("sources")}
    stage = other.registry["clips"]
    items = other.items("clips")
    for item, row in zip(items, stage.compute(other, items), strict=True):
        if row.status == "ok":
            yield from clips_of(other, item, row, facts[item.clip_id])[0]
