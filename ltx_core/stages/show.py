"""`ltx show`: a dataset, a run or a clip as tables."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from ltx_core.errors import LtxError
from ltx_core.media.errors import MediaError
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import gather, load_samples, rejections
from ltx_core.stages.filtered import flagged
from ltx_core.stages.folder import REPORT, SUMMARY, folder_of
from ltx_core.stages.imported_dataset import gather_imported
from ltx_core.stages.mixture import mixture_tables
from ltx_core.stages.set_aside import all_rejected
from ltx_core.stages.side_by_side import clip_picture
from ltx_core.stages.sources import repeated_files
from ltx_core.training.log import read_metrics

Table = dict[str, Any]
LETTERS = 90
"""Letters of a caption in a table."""


def show(context: Context, what: str) -> list[Table]:
    """Tables with `title`, `columns`, `rows`.

    Args:
        context: of the config.
        what: "dataset", "run", or a clip's name or the beginning of its id.

    Raises:
        LtxError: when it is not there yet, or no clip is named so.
    """
    try:
        if what == "dataset":
            return _dataset(context)
        return _run(context) if what == "run" else _clip(context, what)
    except NotReadyError as error:
        raise LtxError(f"nothing to show yet: {error}; run `ltx run CONFIG` first") from None


def _dataset(context: Context) -> list[Table]:
    try:
        row, samples = load_samples(context)
    except NotReadyError:
        return _clips_so_far(context)
    counts = Counter((sample.split, sample.bucket) for sample in samples)
    clips = [
        (
            s.name,
            s.split,
            s.bucket,
            s.caption_source,
            "yes" if s.has_audio else s.no_audio_reason or "-",
            _short(s.caption),
        )
        for s in samples
    ]
    aside = [*rejections(context), *gather(context)[1], *repeated_files(context)]
    return [
        _table(
            f"dataset {row.content_digest[:12]}",
            ("split", "bucket", "clips"),
            [(*key, n) for key, n in sorted(counts.items())],
        ),
        *mixture_tables(context),
        _table("clips", ("clip", "split", "bucket", "caption from", "sound", "caption"), clips),
        _table("set aside", ("what", "reason"), aside),
        _table("to look at", ("clip", "filters that only report"), _flagged(context)),
    ]


def _flagged(context: Context) -> list[tuple[str, str]]:
    return [] if context.config.imported else flagged(context)


def _clips_so_far(context: Context) -> list[Table]:
    """Clips and what was set aside, before there is a dataset.

    Raises:
        NotReadyError: before there are clips.
    """
    if context.config.imported:
        raise NotReadyError("the samples are not imported")
    clips = [(one.name, one.bucket, "yes" if one.has_audio else "-") for one in all_clips(context)]
    aside = [(one.what, one.stage, one.reason) for one in all_rejected(context)]
    return [
        _table("clips so far", ("clip", "bucket", "sound"), clips),
        _table("set aside", ("what", "stage", "reason"), aside),
    ]


def _run(context: Context) -> list[Table]:
    ((_, row),) = context.results("train")
    folder = folder_of(context.config, row)
    metrics = read_metrics(folder)
    facts: list[tuple[str, Any]] = [("folder", folder), ("steps", row.columns["steps"])]
    if metrics:
        facts.append(("last loss", metrics[-1]["loss"]))
    tables = []
    evaluation = folder / SUMMARY
    if evaluation.exists():
        found = json.loads(evaluation.read_text(encoding="utf-8"))
        facts += [("verdict", found["verdict"]), ("report", folder / REPORT)]
        for title, rows in found["tables"].items():
            if rows:
                tables.append(_table(title, tuple(rows[0]), [tuple(entry.values()) for entry in rows]))
    return [_table(f"run {folder.name}", ("what", "value"), facts), *tables]


def _clip(context: Context, what: str) -> list[Table]:
    if context.config.imported:
        return _imported(context, what)
    matches = [clip for clip in all_clips(context) if clip.name == what or clip.clip_id.startswith(what)]
    if not matches:
        names = ", ".join(clip.name for clip in all_clips(context)[:5])
        raise LtxError(
            f"no clip is named {what!r}; clips are named as {names}, …; or use the words dataset, run"
        )
    clip = matches[0]
    facts = [
        ("id", clip.clip_id),
        ("source", clip.file.place),
        (
            "frames" if clip.width else "samples",
            f"{clip.start} to {clip.end} of the source, {clip.start_s:.3f} s to {clip.end_s:.3f} s",
        ),
        ("bucket", f"{clip.bucket} at {clip.fps:g} frames per second" if clip.has_picture else clip.bucket),
        *((column, file.place) for column, file in clip.file.side.items()),
        *_beside(context, clip),
    ]
    rows = clip_rows(context, frozenset([clip.clip_id]))[clip.clip_id]
    return [
        _table(clip.name, ("what", "value"), facts),
        _table("rows", ("stage", "status", "content", "made"), rows),
    ]


def _beside(context: Context, clip: Clip) -> list[tuple[str, Any]]:
    """Where the picture of a clip beside its references and masks lies, if it has any."""
    try:
        path = clip_picture(context, clip)
    except MediaError as error:
        return [("side by side", f"cannot be shown: {error.reason}")]
    return [] if path is None else [("side by side", path)]


def clip_rows(context: Context, clips: frozenset[str]) -> dict[str, list[tuple[str, str, str, str]]]:
    """(stage, status, content, made) of every stored row of some clips, of whatever config."""
    found: dict[str, list[tuple[str, str, str, str]]] = {clip_id: [] for clip_id in clips}
    for stage in context.registry if clips else ():
        for row in context.store.rows(stage):
            if row.clip_id in clips:
                files = ", ".join(str(context.store.folder(stage) / file.path) for file in row.files)
                tensors = ", ".join(f"{t.name} {list(t.shape)} {t.dtype}" for t in row.tensors)
                text = _short(str(row.columns.get("caption") or row.reason))
                content = "; ".join(part for part in (tensors, files) if part) or text
                found[row.clip_id].append((stage, row.status, content, row.created_at))
    return found


def _imported(context: Context, what: str) -> list[Table]:
    samples = gather_imported(context)[0]
    found = next((one for one, _ in samples if what in (one.name, one.clip_id)), None)
    if found is None:
        names = ", ".join(one.name for one, _ in samples[:5])
        raise LtxError(f"no sample is named {what!r}; samples are named as {names}, …")
    rows = context.store.lookup("imported", list(found.columns.values()))
    facts = [("id", found.clip_id), ("split", found.split), ("of the film", found.source)]
    facts += [("bucket", found.bucket), ("text", _short(found.caption))]
    columns = []
    for column, key in found.columns.items():
        tensors = ", ".join(f"{t.name} {list(t.shape)} {t.dtype}" for t in rows[key].tensors)
        columns.append((column, tensors, rows[key].created_at))
    return [
        _table(found.name, ("what", "value"), facts),
        _table("columns", ("column", "content", "made"), columns),
    ]


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    return {"title": title, "columns": columns, "rows": [[str(cell) for cell in row] for row in rows]}


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LETTERS else flat[: LETTERS - 1] + "…"
