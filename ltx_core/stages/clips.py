"""clips: scenes of each source as virtual cuts with exact frame ranges; no file is written.

One row per source holds its list of cuts, usable and rejected ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from ltx_core.curation.buckets import choose_bucket
from ltx_core.curation.scenes import held_frames
from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.scan import SourceFile
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, Row


class Clips(Stage):
    """Scene splitting."""

    name: ClassVar[str] = "clips"

    def section(self, context: Context) -> dict[str, Any]:
        """Scene options, and the lengths that windows are cut to."""
        dataset = context.config.dataset
        lengths = sorted({bucket.frames for bucket in dataset.buckets})
        return {"scenes": asdict(dataset.scenes), "fps": dataset.fps, "lengths": lengths}

    def items(self, context: Context) -> list[Item]:
        """One per source that can be read."""
        return [
            Item(
                self.key(context, [row.content_digest]), item.clip_id, item.name, (row.row_key,), item.payload
            )
            for item, row in context.results("sources")
            if row.ok
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Find the scenes of each source and cut them into windows."""
        from ltx_core.curation.scenes import cut_windows, detect_scenes
        from ltx_core.media.errors import MediaError

        dataset = context.config.dataset
        lengths = sorted({bucket.frames for bucket in dataset.buckets})
        for item in items:
            source: SourceFile = item.payload
            try:
                scenes = detect_scenes(source.path, dataset.scenes)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            cuts = [asdict(cut) for cut in cut_windows(scenes, dataset.fps, lengths)]
            yield pending(item, columns={"scenes": len(scenes), "cuts": cuts})


def all_clips(context: Context) -> list[Clip]:
    """Usable clips of all sources, in order of source and time."""
    return context.memo("clips", lambda: [clip for found, _ in _cuts(context) for clip in found])


def rejected_cuts(context: Context) -> list[tuple[str, str]]:
    """(name, reason) of every cut that is no usable clip."""
    return [bad for _, found in _cuts(context) for bad in found]


def _cuts(context: Context) -> Iterator[tuple[list[Clip], list[tuple[str, str]]]]:
    facts = {item.clip_id: row for item, row in context.results("sources")}
    for item, row in context.results("clips"):
        if row.ok:
            yield _source_clips(context, item, row, facts[item.clip_id])


def _source_clips(
    context: Context, item: Item, row: Row, facts: Row
) -> tuple[list[Clip], list[tuple[str, str]]]:
    dataset = context.config.dataset
    good, bad = [], []
    for cut in row.columns["cuts"]:
        name = f"{item.name} #{cut['index']}"
        if cut["status"] != "ok":
            bad.append((name, cut["reason"]))
            continue
        available = held_frames(cut["end_s"] - cut["start_s"], dataset.fps)
        size = (facts.columns["width"], facts.columns["height"])
        bucket = choose_bucket(*size, available, dataset.buckets)
        if bucket is None:
            shortest = min(found.frames for found in dataset.buckets)
            bad.append((name, f"shorter than every bucket: {available} < {shortest} frames"))
            continue
        clip_id = digest([item.clip_id, cut["start_frame"], cut["end_frame"]])
        good.append(
            Clip(
                clip_id,
                name,
                item.payload,
                item.clip_id,
                cut["index"],
                len(row.columns["cuts"]),
                cut["start_frame"],
                cut["end_frame"],
                cut["start_s"],
                cut["end_s"],
                dataset.fps,
                bucket,
                *size,
                bool(facts.columns["has_audio"]),
                row.row_key,
            )
        )
    return good, bad
