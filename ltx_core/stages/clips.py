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
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.scan import SourceFile
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, Row

if TYPE_CHECKING:
    from ltx_core.curation.scenes import Cut


class Clips(Stage):
    """Scene splitting."""

    name: ClassVar[str] = "clips"

    def section(self, context: Context) -> dict[str, Any]:
        """Scene options, and the lengths that windows are cut to."""
        dataset = context.config.dataset
        if _by_duration(context):
            return {"scenes": asdict(dataset.scenes), "durations": list(dataset.durations)}
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
        from ltx_core.media.errors import MediaError

        facts = {item.clip_id: row for item, row in context.results("sources")}
        for item in items:
            found = facts[item.clip_id].columns
            cut = _cut_sound if found["kind"] == "audio" else _cut_film
            try:
                scenes, cuts = cut(context, item.payload, found)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            yield pending(item, columns={"scenes": scenes, "cuts": [asdict(cut) for cut in cuts]})


def _by_duration(context: Context) -> bool:
    """Whether windows are cut by stated durations instead of the buckets' frames."""
    config = context.config
    return config.training_strategy.video is None and config.dataset.duration_buckets is not None


def _cut_film(context: Context, source: SourceFile, facts: Mapping[str, Any]) -> tuple[int, list[Cut]]:
    from ltx_core.curation.scenes import cut_durations, cut_windows, detect_scenes

    dataset = context.config.dataset
    scenes = detect_scenes(source.path, dataset.scenes)
    if _by_duration(context):
        return len(scenes), cut_durations(scenes, dataset.durations)
    return len(scenes), cut_windows(scenes, dataset.fps, sorted({b.frames for b in dataset.buckets}))


def _cut_sound(context: Context, source: SourceFile, facts: Mapping[str, Any]) -> tuple[int, list[Cut]]:
    from ltx_core.curation.scenes import cut_sound
    from ltx_core.media.audio import sound_span

    start, end = sound_span(source.path)
    source.check()
    return 1, cut_sound(start, end, int(facts["audio_rate"]), context.config.dataset.durations)


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
    least = min(bucket.frames for bucket in dataset.buckets)
    bucket = choose_bucket(*size, held, dataset.buckets)
    return bucket, f"shorter than every bucket: {held} < {least} frames"
