"""clips: scenes of a film or stretches of a sound, as virtual cuts with exact ranges; no file is written.

One row per source holds its list of cuts, usable and rejected ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.curation.buckets import Bucket, choose_duration
from ltx_core.curation.cutting.windows import held_frames
from ltx_core.curation.options.scenes import WINDOWS
from ltx_core.stages.base import Item, Stage, pending
from ltx_core.stages.buckets import bucket_for, buckets_of
from ltx_core.stages.clip import Clip, Crop
from ltx_core.stages.context import Context
from ltx_core.stages.scenes import scenes_of
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, Row

if TYPE_CHECKING:
    from ltx_core.curation.cutting.scene import Scene
    from ltx_core.curation.cutting.windows import Cut


class Clips(Stage):
    """Windows of the scenes."""

    name: ClassVar[str] = "clips"

    def section(self, context: Context) -> dict[str, Any]:
        """The lengths that windows are cut to, and the options of windows that differ from their defaults."""
        dataset = context.config.dataset
        windows = dataset.scenes.stated(WINDOWS)
        stated = {"windows": windows} if windows else {}
        if _by_duration(context):
            return {"durations": list(dataset.durations), **stated}
        return {"fps": dataset.fps, "lengths": _lengths(context), **stated}

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
        facts = {item.clip_id: row for item, row in context.results("sources")}
        rows = {item.clip_id: row for item, row in context.results("scenes")}
        for item in items:
            found, scenes = facts[item.clip_id].columns, scenes_of(context, rows[item.clip_id])
            cuts = _cuts_of(context, found, scenes)
            yield pending(item, columns={"scenes": len(scenes), "cuts": [asdict(cut) for cut in cuts]})


def _cuts_of(context: Context, facts: Mapping[str, Any], scenes: Sequence[Scene]) -> list[Cut]:
    """The windows of one source, by its kind."""
    from ltx_core.curation.cutting.windows import Cut, cut_durations, cut_sound, cut_windows

    dataset = context.config.dataset
    if facts["kind"] == "audio":
        (whole,) = scenes
        rate = int(facts["audio_rate"])
        return cut_sound(whole.start_s, whole.end_s, rate, dataset.durations, dataset.scenes)
    if facts["kind"] == "image":
        (still,) = scenes
        borders = still.borders
        return [Cut(1, still.start_s, still.start_s + 1 / dataset.fps, 0, 1, borders=borders)]
    if _by_duration(context):
        return cut_durations(scenes, dataset.durations, dataset.scenes)
    return cut_windows(scenes, dataset.fps, _lengths(context), dataset.scenes)


def _lengths(context: Context) -> list[int]:
    return sorted({bucket.frames for bucket in buckets_of(context)})


def _by_duration(context: Context) -> bool:
    """Whether windows are cut by stated durations instead of the buckets' frames."""
    config = context.config
    return config.training_strategy.video is None and config.dataset.duration_buckets is not None


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
            yield clips_of(context, item, row, facts[item.clip_id])


def clips_of(
    context: Context, item: Item, row: Row | PendingRow, facts: Row
) -> tuple[list[Clip], list[tuple[str, str]]]:
    """Usable clips of one source, and (name, reason) of its other cuts."""
    dataset = context.config.dataset
    good, bad = [], []
    for cut in row.columns["cuts"]:
        name = f"{item.name} #{cut['index']}"
        if cut["status"] != "ok":
            bad.append((name, cut["reason"]))
            continue
        crop = _crop(context, cut, facts)
        size = _used_size(crop, facts)
        bucket, reason = _bucket(context, facts.columns["kind"], size, cut["end_s"] - cut["start_s"])
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
                facts.columns["audio_start" if facts.columns["kind"] == "audio" else "video_start"],
                crop=crop,
                treatment=facts.columns["treatment"],
                source_fps=facts.columns["fps"],
            )
        )
    return good, bad


def _crop(context: Context, cut: Mapping[str, Any], facts: Row) -> Crop | None:
    """The part of the frames within their borders; None: all of it."""
    borders = cut["borders"]
    if borders is None or context.config.dataset.scenes.letterbox == "keep":
        return None
    width, height = facts.columns["width"], facts.columns["height"]
    inside = width - borders["left"] - borders["right"], height - borders["top"] - borders["bottom"]
    return Crop(borders["left"], borders["top"], *inside, width, height)


def _used_size(crop: Crop | None, facts: Row) -> tuple[int, int]:
    if crop is None:
        return facts.columns["width"], facts.columns["height"]
    return crop.width, crop.height


def _bucket(context: Context, kind: str, size: tuple[int, int], seconds: float) -> tuple[Bucket | None, str]:
    """The bucket of a cut, or None and why there is none."""
    dataset = context.config.dataset
    if context.config.training_strategy.video is None:
        shortest = min(dataset.durations)
        found = choose_duration(seconds, dataset.durations)
        return found, f"shorter than every bucket: {seconds:.3f} < {shortest:g} s"
    held = held_frames(seconds, dataset.fps)
    buckets = buckets_of(context)
    bucket, problem = bucket_for(context, size, held)
    if problem:
        return None, problem
    if kind == "image" and bucket is None:
        example = f"add e.g. {buckets[0].width}x{buckets[0].height}x1"
        advice = "`ltx plan --rebucket` chooses anew" if dataset.auto else example
        return None, f"image: no bucket of one frame; {advice}"
    if bucket is not None and dataset.scenes.lengths == "all" and bucket.frames != held:
        return None, f"no bucket of {held} frames in the shape nearest to {size[0]}x{size[1]}"
    least = min(bucket.frames for bucket in buckets)
    return bucket, f"shorter than every bucket: {held} < {least} frames"
