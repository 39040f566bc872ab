"""Samples of imported data: which rows belong together, what they share, and why some are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ltx_core.conditions.reference import spatial_factor, temporal_factor
from ltx_core.config.coverage import fault
from ltx_core.config.imported import SUFFIX, keeps_silence, mode_columns
from ltx_core.config.root import TEXT_COLUMN
from ltx_core.curation.buckets import Bucket, DurationBucket
from ltx_core.curation.split import split_by_source
from ltx_core.errors import LtxError
from ltx_core.geometry.grid import AudioGrid, VideoGrid
from ltx_core.geometry.units import audio_steps
from ltx_core.stages.context import Context
from ltx_core.stages.imported import entries, sample_id
from ltx_core.stages.imported_folder import source_of
from ltx_core.store.dataset import Sample, Split
from ltx_core.store.rows import Row

Columns = dict[str, Row]
Refused = list[tuple[str, str]]


def gather_imported(context: Context) -> tuple[list[tuple[Sample, dict[str, str]]], Refused]:
    """Samples with the content digests of their columns, and (name, reason) of those that are left out.

    Raises:
        NotReadyError: when rows are missing.
    """
    return context.memo("gathered imports", lambda: _gathered(context))


def _gathered(context: Context) -> tuple[list[tuple[Sample, dict[str, str]]], Refused]:
    by_sample, reasons = _rows(context)
    usable: dict[str, Columns] = {}
    refused: Refused = []
    for name, columns in by_sample.items():
        reason = reasons.get(name) or _problem(context, columns)
        if reason:
            refused.append((name, reason))
        else:
            usable[name] = columns
    holdout = context.config.dataset.holdout
    clips = [(sample_id(name), source_of(name)) for name in usable]
    splits = split_by_source(clips, holdout.fraction, holdout.seed)
    return [
        (
            _sample(context, name, columns, splits[sample_id(name)]),
            {column: row.content_digest for column, row in columns.items()},
        )
        for name, columns in usable.items()
    ], refused


def imported_buckets(context: Context) -> list[Bucket]:
    """The bucket of every sample; raises NotReadyError when rows are missing."""
    return [
        DurationBucket.of(sample.duration)
        if context.config.training_strategy.video is None
        else Bucket.parse(sample.bucket)
        for sample, _ in gather_imported(context)[0]
    ]


def _rows(context: Context) -> tuple[dict[str, Columns], dict[str, str]]:
    """The usable rows of every sample by column, and why some samples cannot be used."""
    rows = {item.key: row for item, row in context.results("imported")}
    usable: dict[str, Columns] = {}
    reasons: dict[str, str] = {}
    for entry in entries(context):
        row, columns = rows[entry.key], usable.setdefault(entry.sample, {})
        if row.ok:
            columns[entry.column] = row
        elif entry.file is not None or entry.column != _optional(context):
            reasons.setdefault(entry.sample, f"{entry.column}: {row.reason}")
    return usable, reasons


def _problem(context: Context, columns: Columns) -> str:
    """Why the columns of a sample do not belong together, or ""."""
    for modality, stream in context.config.training_strategy.streams.items():
        target = columns.get(stream.latents_dir)
        if target is None:
            continue
        wrong = (
            fault(stream.conditions, _target_grid(context, modality, target)) if stream.is_generated else None
        )
        if wrong is not None:
            return f"bucket {target.columns['bucket']}: {wrong.found}; {wrong.advice}"
        for column in (name for condition in stream.conditions for name in condition.columns):
            if reason := _misfit(context, modality, target, columns[column]):
                return f"{column}: {reason}"
    return ""


def _optional(context: Context) -> str:
    """The column of sound, where a joint mode keeps samples without it (`dataset.audio.missing`)."""
    audio = context.config.training_strategy.audio
    return audio.latents_dir if audio is not None and keeps_silence(context.config) else ""


def _misfit(context: Context, modality: str, target: Row, row: Row) -> str:
    """Why a condition's content does not fit its target, or ""."""
    grid, own = list(_shape(target)[1:]), list(_shape(row))
    if row.columns["kind"].endswith("mask"):
        grid = grid[:1] if modality == "audio" else grid  # bins are no tokens
        return "" if own == grid else f"a mask {own} for latents {grid}"
    if modality == "audio":
        return ""
    try:
        wanted, found = _grid(context, grid), _grid(context, own[1:])
        spatial_factor(wanted, found)
        temporal_factor(wanted, found)
    except LtxError as error:
        return str(error)
    return ""


def _target_grid(context: Context, modality: str, target: Row) -> VideoGrid | AudioGrid:
    scale, sizes = context.info.audio_scale, _shape(target)[1:]
    if modality == "audio" and scale is not None:
        return AudioGrid(sizes[0], scale)
    return _grid(context, sizes)


def _grid(context: Context, sizes: Sequence[int]) -> VideoGrid:
    frames, height, width = sizes
    return VideoGrid(frames, height, width, context.info.video_scale)


def _sample(context: Context, name: str, columns: Columns, split: Split) -> Sample:
    strategy = context.config.training_strategy
    audio = None if strategy.audio is None else strategy.audio.latents_dir
    facts: dict[str, Any] = dict(columns[next(iter(mode_columns(strategy)))].columns)
    caption = str(columns[TEXT_COLUMN].columns.get("text") or name)
    duration = float(facts["duration"])
    return Sample(
        sample_id(name),
        name,
        source_of(name),
        split,
        str(facts["bucket"]),
        float(facts.get("fps") or context.config.dataset.fps),
        duration,
        caption,
        "imported",
        audio in columns,
        "" if audio is None or audio in columns else f"there is no {audio}/{name}{SUFFIX}",
        {column: row.row_key for column, row in columns.items()},
        form=_form(context, columns),
    )


def _form(context: Context, columns: Columns) -> str:
    """Lengths of sound and sizes of references, which in imported data do not follow from the bucket."""
    kinds = mode_columns(context.config.training_strategy)
    first = next(iter(kinds))
    shapes = {
        column: "x".join(str(size) for size in _shape(row)[1:])
        for column, row in columns.items()
        if column != first and row.columns["kind"] in ("video", "audio")
    }
    silent = _optional(context)
    if silent and silent not in columns and context.info.audio_scale is not None:
        steps = audio_steps(float(columns[first].columns["duration"]), context.info.audio_scale)
        shapes[silent] = f"{steps}x{context.info.audio_bins}"  # as `Rows.audio_shape` has it
    return " ".join(f"{column}:{shape}" for column, shape in sorted(shapes.items()))


def _shape(row: Row) -> tuple[int, ...]:
    return row.tensors[0].shape
