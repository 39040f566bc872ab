"""A clip beside its references and masks, as one picture for a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ltx_core.stages import audio_masks, audio_references, masks, references
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.store.disk import write_atomic
from ltx_core.store.rows import Row

if TYPE_CHECKING:
    from ltx_core.evaluation.side_by_side import Frames, Side

FOLDER = "shown"
"""Folder of the pictures in the workspace."""
RATE = 32000
"""Samples per second of the sounds that are drawn."""
STAGES = ("references", "masks", "audio_references", "audio_masks")


def clip_picture(context: Context, clip: Clip) -> Path | None:
    """Write the picture of a clip, source | references | mask; None where nothing is made beside it.

    Raises:
        MediaError: when the clip's source cannot be decoded any more.
    """
    from ltx_core.evaluation.side_by_side import side_by_side

    rows = list(_rows(context, clip))
    if not rows:
        return None
    path = context.config.workspace / FOLDER / f"{clip.clip_id[:16]}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, side_by_side(list(_sides(context, clip, rows))))
    return path


def _rows(context: Context, clip: Clip) -> Iterator[tuple[str, str, Row]]:
    """(stage, column, row) of what this config makes beside a clip and is there."""
    for stage in STAGES:
        if not context.needs(stage):
            continue
        try:
            rows = context.committed(stage)
            items = context.items(stage)
        except NotReadyError:
            continue
        for item in items:
            if item.clip_id == clip.clip_id and item.key in rows and rows[item.key].ok:
                yield stage, item.column, rows[item.key]


def _sides(context: Context, clip: Clip, rows: list[tuple[str, str, Row]]) -> Iterator[Side]:
    heard = [(stage, row) for stage, _, row in rows if stage.startswith("audio_")]
    if clip.has_picture:
        yield from _pictures(context, clip, rows)
    if heard:
        yield from _sounds(context, clip, heard)


def _pictures(context: Context, clip: Clip, rows: list[tuple[str, str, Row]]) -> Iterator[Side]:
    from ltx_core.evaluation.side_by_side import Side, mask_side

    frames = context.models.frames(clip)
    yield Side("source", frames)
    for stage, column, row in rows:
        kind = row.columns["kind"]
        if stage == "references":
            name = "reference" if column in ("", references.COLUMN) else column
            yield Side(f"{name} ({kind})", _video(context, row, references.VIDEO))
        elif stage == "masks":
            yield mask_side(f"mask ({kind})", frames, _video(context, row, masks.VIDEO))


def _sounds(context: Context, clip: Clip, rows: list[tuple[str, Row]]) -> Iterator[Side]:
    from ltx_core.evaluation.side_by_side import sound_side
    from ltx_core.media.audio import read_audio

    wave = context.models.sound(clip, RATE)
    if wave is None:
        return
    yield sound_side("sound", wave, RATE)
    for stage, row in rows:
        kind = row.columns["kind"]
        if stage == audio_masks.COLUMN:
            kept = context.store.read(row)["mask"].float().numpy()
            yield sound_side(f"mask of the sound ({kind})", wave, RATE, kept)
            continue
        path = context.store.file(row, audio_references.SOUND)
        made = read_audio(path, 0.0, clip.seconds, RATE)
        if made is not None:
            yield sound_side(f"reference sound ({kind})", made, RATE)


def _video(context: Context, row: Row, name: str) -> Frames:
    from ltx_core.media.decode import frame_times, read_frames

    path = context.store.file(row, name)
    return read_frames(path, list(range(len(frame_times(path)))))
