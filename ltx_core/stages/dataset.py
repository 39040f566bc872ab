"""dataset: one manifest of all samples, with their split, bucket and the row of each column.

Only columns that the mode reads are part of it, so a change of another stage does not retrain. What is
stated of licences is kept beside the manifest and is no part of the content: a corrected licence makes this
row anew, and no training.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from ltx_core.config.imported import keeps_silence
from ltx_core.config.root import TEXT_COLUMN
from ltx_core.curation.split import split_by_source
from ltx_core.errors import LtxError
from ltx_core.stages.base import Item, Stage, pending
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import rejected_cuts
from ltx_core.stages.context import Context
from ltx_core.stages.filtered import set_aside
from ltx_core.stages.imported import Imported
from ltx_core.stages.imported_dataset import gather_imported
from ltx_core.stages.scores import kept_clips
from ltx_core.stages.sources import first_files
from ltx_core.stages.text import Text, full_text, text_key
from ltx_core.store.dataset import Sample, Split, dataset_bytes, read_dataset
from ltx_core.store.keys import digest
from ltx_core.store.rows import PendingRow, Row

MANIFEST, RIGHTS = "dataset.parquet", "rights"
FILLED_BY = {"latents": "latents", "audio_latents": "audio_latents", "reference_latents": "reference_latents"}
FILLED_BY |= {"video_masks": "mask_latents", TEXT_COLUMN: "text"}
FILLED_BY |= {"reference_audio_latents": "reference_audio_latents", "audio_masks": "audio_masks"}
"""Column of the dataset -> stage that fills it."""
MADE_OF = {"reference_latents": "references", "mask_latents": "masks"}
MADE_OF |= {"reference_audio_latents": "audio_references"}
"""Stage that fills a column -> the one whose usable rows it is made of."""


class Dataset(Stage):
    """The manifest."""

    name: ClassVar[str] = "dataset"
    single: ClassVar[bool] = True

    def section(self, context: Context) -> dict[str, Any]:
        """Split, treatment of missing sound, and the columns that the mode reads."""
        dataset = context.config.dataset
        return {
            "holdout": dataset.holdout.model_dump(),
            "missing_audio": dataset.audio.missing,
            "columns": list(context.config.training_strategy.columns),
        }

    def items(self, context: Context) -> list[Item]:
        """One, keyed by the content of every column of every clip."""
        samples, _ = gather(context)
        contents = [
            [
                sample.clip_id,
                sample.name,
                sample.split,
                sample.bucket,
                sample.fps,
                sample.caption,
                sample.no_audio_reason,
                *_frequency(sample),
            ]
            + [content for _, content in sorted(contents.items())]
            for sample, contents in samples
        ]
        inputs = tuple(key for sample, _ in samples for key in sample.columns.values())
        stated = stated_rights(context, [sample for sample, _ in samples])
        rights = [digest(stated)] if stated else []
        return [Item(self.key(context, [digest(contents), *rights]), "", "dataset", inputs)]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Write the manifest.

        Raises:
            LtxError: when nothing is left to train on, or too much was rejected.
        """
        gathered, refused = gather(context)
        samples = [sample for sample, _ in gathered]
        _check(context, samples, rejections(context) + refused)
        for item in items:
            counts, stated = _counted(samples), stated_rights(context, samples)
            rights = {RIGHTS: json.dumps(stated, sort_keys=True, ensure_ascii=False)} if stated else {}
            files = {MANIFEST: dataset_bytes(samples)}
            yield pending(item, files=files, columns={**counts, **rights}, content=counts)


def _counted(samples: Sequence[Sample]) -> dict[str, int]:
    splits = Counter(sample.split for sample in samples)
    return {
        "samples": len(samples),
        "train": splits["train"],
        "heldout": splits["heldout"],
        "without_audio": sum(not sample.has_audio for sample in samples),
    }


def load_samples(context: Context) -> tuple[Row, list[Sample]]:
    """The committed dataset of this config."""
    ((_, row),) = context.results("dataset")
    return row, read_dataset(context.store.file(row, MANIFEST))


def stated_rights(context: Context, samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
    """What is stated of the licences of the samples' sources, by the sources' digests; without those of which
    nothing is stated."""
    if context.config.imported:
        return {}
    files = first_files(context)
    used = sorted({sample.source for sample in samples})
    return {name: found for name in used if (found := files[name].rights.stated())}


def gather(context: Context) -> tuple[list[tuple[Sample, dict[str, str]]], list[tuple[str, str]]]:
    """Samples with the content digests of their columns, and (name, reason) of clips that cannot be used.

    Raises:
        NotReadyError: when rows of an earlier stage are missing.
    """
    if context.config.imported:
        return gather_imported(context)[0], []
    return context.memo("gathered", lambda: _gather(context))


def rejections(context: Context) -> list[tuple[str, str]]:
    """(name, reason) of every source, cut, caption and imported sample that was set aside."""
    if context.config.imported:
        return gather_imported(context)[1]
    found = [(item.name, row.reason) for item, row in context.results("sources") if not row.ok]
    for stage in ("scenes", "clips"):
        found += [(item.name, row.reason) for item, row in context.results(stage) if not row.ok]
    found += rejected_cuts(context)
    found += set_aside(context)
    found += [(item.name, row.reason) for item, row in context.results("captions") if not row.ok]
    return found


def _gather(context: Context) -> tuple[list[tuple[Sample, dict[str, str]]], list[tuple[str, str]]]:
    clips = kept_clips(context)
    captions = {clip_id: row for clip_id, row in context.by_clip("captions").items() if row.ok}
    texts = {item.key: row for item, row in context.results("text")}
    usable = [clip for clip in clips if clip.clip_id in captions]
    stated = {clip.clip_id: first_files(context)[clip.source].row for clip in usable}
    own = {name: row.split for name, row in stated.items() if row is not None and row.split}
    prior: dict[str, Split] = {c.clip_id: "train" for c in usable if c.file.origin.regularisation}
    holdout, subject = context.config.dataset.holdout, [c for c in usable if c.clip_id not in prior]
    splits = split_by_source([(c.clip_id, c.source) for c in subject], holdout.fraction, holdout.seed, own)
    splits |= prior  # there is nothing of the LoRA's subject that they could measure
    good, bad = [], []
    for clip in usable:
        sample, contents, reason = _sample(context, clip, captions[clip.clip_id], splits[clip.clip_id], texts)
        if reason:
            bad.append((clip.name, reason))
        else:
            good.append((sample, contents))
    return good, bad


def _sample(
    context: Context, clip: Clip, caption: Row, split: Split, texts: Mapping[str, Row]
) -> tuple[Sample, dict[str, str], str]:
    text_stage = context.registry[Text.name]
    key = text_key(context, text_stage, full_text(context, caption))
    columns, contents = {TEXT_COLUMN: key}, {TEXT_COLUMN: texts[key].content_digest}
    audio_reason, problem = "", ""
    for column in context.config.training_strategy.columns:
        stage = _stage_of(context, column)
        found = context.by_clip(stage, column).get(clip.clip_id)
        if found is not None and found.ok:
            columns[column], contents[column] = found.row_key, found.content_digest
            continue
        reason = found.reason if found else _missing(context, stage, column, clip)
        if stage == "audio_latents" and silence_is_kept(context):
            audio_reason = reason
        else:
            problem = f"{column}: {reason}"
    sample = Sample(
        clip.clip_id,
        clip.name,
        clip.source,
        split,
        str(clip.bucket),
        clip.fps,
        clip.seconds,
        full_text(context, caption),
        str(caption.columns["caption_source"]),
        "audio_latents" in columns,
        audio_reason,
        columns,
        source_fps=clip.source_fps,
        repeats=clip.file.origin.repeats,
        weight=clip.file.origin.weight,
        regularisation=clip.file.origin.regularisation,
    )
    return sample, contents, problem


def _frequency(sample: Sample) -> list[Any]:
    """How often an epoch has a sample and what for; nothing where it comes once, as a subject."""
    found = [sample.repeats, sample.weight, sample.regularisation]
    return [] if found == [1, 1.0, False] else found


def silence_is_kept(context: Context) -> bool:
    """Whether a clip without sound is a sample: in a joint mode, unless the config drops it."""
    return keeps_silence(context.config)


def filled_by(context: Context, column: str) -> str:
    """The stage whose rows fill a column.

    Raises:
        LtxError: when there is none.
    """
    return Imported.name if context.config.imported else _stage_of(context, column)


def _missing(context: Context, stage: str, column: str, clip: Clip) -> str:
    """Why a stage has no row for a clip: the stage before it has set the clip aside."""
    before = MADE_OF.get(stage)
    found = None if before is None else context.by_clip(before, column).get(clip.clip_id)
    return found.reason if found is not None and not found.ok else f"no row of stage {stage}"


def _stage_of(context: Context, column: str) -> str:
    if column in context.config.dataset.extra_references:
        return FILLED_BY["reference_latents"]
    if column not in FILLED_BY:
        raise LtxError(
            f"no stage fills the column {column!r} that the mode reads; "
            f"use one of {', '.join(sorted(FILLED_BY))}"
        )
    return FILLED_BY[column]


def _check(context: Context, samples: Sequence[Sample], bad: Sequence[tuple[str, str]]) -> None:
    """Refuse a dataset with nothing to train on or too much set aside.

    Short scenes, which every film has, do not count, nor do clips that a filter sets aside, which is what it
    is there for: they could be read.
    """
    reasons = "\n  ".join(f"{name}: {reason}" for name, reason in bad[:20])
    if not any(sample.split == "train" for sample in samples):
        raise LtxError(
            f"no clip is left to train on: {len(samples)} usable, {len(bad)} set aside\n  {reasons}\n"
            "Add videos, give shorter `dataset.buckets`, or loosen `dataset.filters`"
        )
    filtered = 0 if context.config.imported else len(set_aside(context))
    scenes = 0 if context.config.imported else len(rejected_cuts(context))
    count, limit = len(bad) - scenes - filtered, context.config.dataset.max_rejected_fraction
    whole = count + filtered + len(samples)
    share = count / whole
    if share > limit:
        raise LtxError(
            f"{count} of {whole} clips were set aside ({share:.0%}); "
            f"at most {limit:.0%} may be (`dataset.max_rejected_fraction`)\n  {reasons}"
        )
