"""What the pages of a dataset say, gathered from the rows that are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ltx_core.evaluation.browsing.facts import Aside, ClipFacts, Limit
from ltx_core.stages.base import Item, NotReadyError
from ltx_core.stages.browse_media import LABELS, Beside
from ltx_core.stages.browse_scores import limits_of, scores_of, verdicts_of
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import gather, load_samples
from ltx_core.stages.filtered import Verdict
from ltx_core.stages.set_aside import all_rejected
from ltx_core.store.dataset import Sample
from ltx_core.store.rows import Row


@dataclass(frozen=True)
class Gathered:
    """Rows of a dataset, by clip.

    Attributes:
        clips: every usable cut, kept or not; empty for imported data.
        samples: of the dataset, by clip id.
        digest: of the dataset, or "" before there is one.
        sources: `sources` rows by content.
        captions, sounds: rows by clip id.
        verdicts: scores and what filters found in them, by clip id.
        beside: stored media by clip id.
        refused: name -> (stage, reason) of what was set aside.
        limits: of scores, by name.
    """

    clips: list[Clip]
    samples: Mapping[str, Sample]
    digest: str
    sources: Mapping[str, Row] = field(default_factory=dict)
    captions: Mapping[str, Row] = field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    sounds: Mapping[str, Row] = field(default_factory=dict)
    beside: Mapping[str, tuple[Beside, ...]] = field(default_factory=dict)
    refused: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> dict[str, Clip]:
        """Clips by their id."""
        return {clip.clip_id: clip for clip in self.clips}


def gathered(context: Context) -> Gathered:
    """Everything that is there.

    Raises:
        NotReadyError: when there is not even a clip.
    """
    digest, samples = _samples(context)
    if context.config.imported:
        if not samples:
            raise NotReadyError("no sample is imported")
        return Gathered([], samples, digest)
    clips = all_clips(context)
    return Gathered(
        clips,
        samples,
        digest,
        {item.clip_id: row for item, row in present(context, "sources")},
        _by_clip(context, "captions"),
        verdicts_of(context),
        _by_clip(context, "audio_latents"),
        _beside(context),
        _refused(context),
        limits_of(context.config.dataset.filters),
    )


def present(context: Context, stage: str) -> list[tuple[Item, Row]]:
    """The items of a stage that have a row; none where its keys are not known yet."""
    if stage not in context.registry or not context.needs(stage):
        return []
    try:
        rows = context.committed(stage)
        return [(item, rows[item.key]) for item in context.items(stage) if item.key in rows]
    except NotReadyError:
        return []


def facts_of(found: Gathered) -> list[ClipFacts]:
    """One per clip, without what can be seen of it."""
    if not found.clips:
        return [_imported(sample) for sample in found.samples.values()]
    return [_facts(found, clip) for clip in found.clips]


def asides(context: Context, found: Gathered) -> list[Aside]:
    """Everything that was set aside, with the clip where it is one."""
    ids = {clip.name: clip.clip_id for clip in found.clips}
    listed = [
        Aside(one.what, one.stage, one.reason, clip_id=_clip_of(one.what, ids)) for one in _listed(context)
    ]
    said = {one.clip_id for one in listed}
    if found.samples and not context.config.imported:
        more = [(name, reason) for name, reason in gather(context)[1] if ids.get(name, "") not in said]
        listed += [Aside(name, "dataset", reason, clip_id=ids.get(name, "")) for name, reason in more]
    return listed


def moments(context: Context, found: Gathered) -> dict[str, tuple[Path, str, float]]:
    """Where a still of what is no clip can be taken: name -> (file, its content, seconds)."""
    places: dict[str, tuple[Path, str, float]] = {}
    for item, row in present(context, "sources"):
        if row.ok and row.columns.get("kind") != "audio":
            places[item.name] = (item.payload.path, item.clip_id, float(row.columns["duration"]) / 2)
    for item, row in present(context, "clips"):
        if row.ok and item.name in places:
            for cut in row.columns["cuts"]:
                at = (cut["start_s"] + cut["end_s"]) / 2
                places[f"{item.name} #{cut['index']}"] = (item.payload.path, item.clip_id, at)
    return places


def _samples(context: Context) -> tuple[str, dict[str, Sample]]:
    try:
        row, samples = load_samples(context)
    except NotReadyError:
        return "", {}
    return row.content_digest, {sample.clip_id: sample for sample in samples}


def _by_clip(context: Context, stage: str) -> dict[str, Row]:
    return {item.clip_id: row for item, row in present(context, stage)}


def _beside(context: Context) -> dict[str, tuple[Beside, ...]]:
    found: dict[str, tuple[Beside, ...]] = {}
    for stage in LABELS:
        rows = present(context, stage)
        several = len({item.column for item, _ in rows}) > 1
        for item, row in rows:
            if row.ok:
                one = Beside(stage, item.column if several else "", row)
                found[item.clip_id] = (*found.get(item.clip_id, ()), one)
    return found


def _listed(context: Context) -> Iterable[Any]:
    try:
        yield from all_rejected(context)
    except NotReadyError:
        return


def _refused(context: Context) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for one in _listed(context):
        found.setdefault(one.what, (one.stage, one.reason))
    return found


def _clip_of(name: str, ids: Mapping[str, str]) -> str:
    """The clip that a name means, with or without a column behind it."""
    return ids.get(name) or ids.get(name.rsplit(" (", 1)[0], "")


def _facts(found: Gathered, clip: Clip) -> ClipFacts:
    sample, caption = found.samples.get(clip.clip_id), found.captions.get(clip.clip_id)
    source, verdict = found.sources.get(clip.source), found.verdicts.get(clip.clip_id)
    text = {} if caption is None or not caption.ok else dict(caption.columns)
    stage, reason = found.refused.get(clip.name, ("", ""))
    return ClipFacts(
        clip.clip_id,
        clip.name,
        split=sample.split if sample else "",
        bucket=str(clip.bucket),
        fps=clip.fps if clip.has_picture else 0.0,
        seconds=clip.seconds,
        source=clip.file.name,
        path=str(clip.path),
        span=f"{'frames' if clip.width else 'samples'} {clip.start} to {clip.end}",
        start_s=clip.start_s,
        end_s=clip.end_s,
        source_fps=float(source.columns.get("fps") or 0) if source else 0.0,
        width=clip.width,
        height=clip.height,
        caption=sample.caption if sample else str(text.get("caption", "")),
        caption_source=sample.caption_source if sample else str(text.get("caption_source", "")),
        sound=_sound(clip, sample),
        repeats=sample.repeats * sample.weight if sample else 1.0,
        regularisation=bool(sample and sample.regularisation),
        scores=scores_of(verdict, found.sounds.get(clip.clip_id)),
        found=() if verdict is None else tuple((one.filter, one.reason) for one in verdict.findings),
        aside=f"{stage}: {reason}" if reason and sample is None else "",
    )


def _imported(sample: Sample) -> ClipFacts:
    return ClipFacts(
        sample.clip_id,
        sample.name,
        split=sample.split,
        bucket=sample.bucket,
        fps=sample.fps,
        seconds=sample.duration,
        caption=sample.caption,
        caption_source=sample.caption_source,
        sound="yes" if sample.has_audio else sample.no_audio_reason,
    )


def _sound(clip: Clip, sample: Sample | None) -> str:
    if sample is not None and sample.no_audio_reason:
        return sample.no_audio_reason
    return "yes" if clip.has_audio else "no audio stream"
