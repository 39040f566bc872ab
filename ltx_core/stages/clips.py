"""clips: scenes of a film or stretches of a sound, as virtual cuts with exact ranges; no file is written.

One row per source holds its list of cuts, usable and rejected ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.curation.buckets import Bucket, choose_bucket, choose_duration
from ltx_core.curation.scenes import held_frames
from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.buckets import buckets_of
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.scan import SourceFile
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, Row

if TYPE_CHECKING:
    from ltx_core.curation.scenes import Cut

Stored = Sequence[Mapping[str, Any]]
"""The scenes of a source as their row holds them."""


class Clips(Stage):
    """Windows of the scenes."""

    name: ClassVar[str] = "clips"

    def section(self, context: Context) -> dict[str, Any]:
        """The lengths that windows are cut to."""
        dataset = context.config.dataset
        if _by_duration(context):
            return {"durations": list(dataset.durations)}
        return {"fps": dataset.fps, "lengths": _lengths(context)}

    def items(self, context: Context) -> list[Item]:
        """One per source whose scenes were found."""
        buckets_of(context)
        return [
            Item(
                self.key(context, [row.content_digest]), item.clip_id, item.name, (row.row_key,), item.payload
            )
            for item, row in context.results("scenes")
            if row.ok
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Cut the scenes of each source into windows."""
        from ltx_core.media.errors import MediaError

        facts = {item.clip_id: row for item, row in context.results("sources")}
        scenes = {item.clip_id: row for item, row in context.results("scenes")}
        for item in items:
            found = facts[item.clip_id].columns
            stored = scenes[item.clip_id].columns["scenes"]
            cut = _cut_sound if found["kind"] == "audio" else _cut_film
            try:
                cuts = cut(context, item.payload, found, stored)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            yield pending(item, columns={"scenes": len(stored), "cuts": [asdict(cut) for cut in cuts]})


def _lengths(context: Context) -> list[int]:
    return sorted({bucket.frames for bucket in buckets_of(context)})


def _by_duration(context: Context) -> bool:
    """Whether windows are cut by stated durations instead of the buckets' frames."""
    config = context.config
    return config.training_strategy.video is None and config.dataset.duration_buckets is not None


def _cut_film(context: Context, source: SourceFile, facts: Mapping[str, Any], stored: Stored) -> list[Cut]:
    from ltx_core.curation.scenes import Scene, cut_durations, cut_windows
    from ltx_core.media.container import frame_index

    dataset, times = context.config.dataset, frame_index(source.path).times
    scenes = [Scene(**one, times=times[one["start_frame"] : one["end_frame"]]) for one in stored]
    if _by_duration(context):
        return cut_durations(scenes, dataset.durations)
    return cut_windows(scenes, dataset.fps, _lengths(context))


def _cut_sound(context: Context, source: SourceFile, facts: Mapping[str, Any], stored: Stored) -> list[Cut]:
    from ltx_core.curation.scenes import cut_sound

    (whole,) = stored
    durations = context.config.dataset.durations
    return cut_sound(whole["start_s"], whole["end_s"], int(facts["audio_rate"]), durations)


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
        size = (facts.columns["width"], facts.columns["height"])
        bucket, reason = _bucket(context, size, cut["end_s"] - cut["start_s"])
        if bucket is None:
            bad.append((name, reason))
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
                bool(facts.columns["has_audio"]) or "audio" in item.payload.side,
                row.row_key,
                facts.columns["audio_start"] if facts.columns["kind"] == "audio" else 0.0,
                treatment=facts.columns["treatment"],
                source_fps=facts.columns["fps"],
            )
        )
    return good, bad


def _bucket(context: Context, size: tuple[int, int], seconds: float) -> tuple[Bucket | None, str]:
    """The bucket of a cut, or None and why there is none."""
    dataset = context.config.dataset
    if context.config.training_strategy.video is None:
        shortest = min(dataset.durations)
        found = choose_duration(seconds, dataset.durations)
        return found, f"shorter than every bucket: {seconds:.3f} < {shortest:g} s"
    held = held_frames(seconds, dataset.fps)
    buckets = buckets_of(context)
    least = min(bucket.frames for bucket in buckets)
    bucket = choose_bucket(*size, held, buckets)
    return bucket, f"shorter than every bucket: {held} < {least} frames"
