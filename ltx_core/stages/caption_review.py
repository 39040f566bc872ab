"""Captions out to be reviewed and back: which clips, what they look like, what has changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ltx_core.curation.captioning.edits import change_edits, read_edits
from ltx_core.curation.captioning.review import (
    ID_PREFIX,
    RESET,
    ReviewRow,
    read_review,
    refuse,
    review_bytes,
)
from ltx_core.errors import LtxError
from ltx_core.media.errors import MediaError
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.caption_keys import captions_folder
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.scores import kept_clips
from ltx_core.store.disk import write_atomic
from ltx_core.store.rows import Row

log = logging.getLogger(__name__)
PICTURE_SIDE, PICTURE_FRAMES = 320, 3
"""Pixels of the longer side of each frame of a preview, and its frames side by side."""


@dataclass(frozen=True)
class Applied:
    """What an edited file changed.

    Attributes:
        changed: names of clips with another caption than before.
        reset: names of clips whose edit was taken back.
        same: lines that say what is said already, or nothing.
        misplaced: names of clips whose `caption` was changed instead of `new_caption`.
    """

    changed: tuple[str, ...]
    reset: tuple[str, ...]
    same: int
    misplaced: tuple[str, ...]


def write_review(context: Context, output: Path, pictures: bool, tell: Callable[[int, int], None]) -> int:
    """Write a file with the captions of all clips; the number of clips.

    Args:
        context: of a config whose clips are known.
        output: the CSV file, which is replaced.
        pictures: whether each clip gets a preview, made once.
        tell: is told of clips done and of all.

    Raises:
        LtxError: when the clips are not known yet.
        StoreError: when the disk takes no more.
    """
    clips = _clips(context)
    rows = []
    for number, clip in enumerate(clips, 1):
        preview = _preview(context, clip) if pictures else ""
        rows.append(_row(context, clip, preview))
        tell(number, len(clips))
    write_atomic(output.absolute(), review_bytes(rows))
    return len(rows)


def apply_review(context: Context, edited: Path) -> Applied:
    """Take an edited file back: its new captions win over all others from now on.

    Raises:
        LtxError: when the file is none, names a clip twice or one that is not there; nothing is changed then.
        StoreError: when the disk takes no more.
    """
    clips = {f"{ID_PREFIX}{clip.clip_id}": clip for clip in _clips(context)}
    lines = read_review(edited)
    refuse(edited, _problems(lines, clips))
    folder = captions_folder(context)
    edits = read_edits(folder)
    changes: dict[str, str | None] = {}
    reset, changed, misplaced = [], [], []
    for _, cells in lines:
        clip = clips.get(cells["clip_id"].strip())
        if clip is None:
            continue
        new, now = cells["new_caption"].strip(), _caption(context, clip)
        if new.lower() == RESET:
            if clip.clip_id in edits:
                changes[clip.clip_id] = None
                reset.append(clip.name)
        elif new and new != edits.get(clip.clip_id, now):
            changes[clip.clip_id] = new
            changed.append(clip.name)
        elif not new and _plain(cells.get("caption", now)) != _plain(now):
            misplaced.append(clip.name)
    change_edits(folder, changes)
    same = len(lines) - len(changed) - len(reset)
    return Applied(tuple(changed), tuple(reset), same, tuple(misplaced))


def _problems(lines: list[tuple[int, dict[str, str]]], clips: dict[str, Clip]) -> list[str]:
    """Lines that name a clip twice, or change one that is not there."""
    first: dict[str, int] = {}
    found = []
    for number, cells in lines:
        clip = cells["clip_id"].strip()
        called = cells.get("clip") or clip
        if clip in first:
            found.append(f"line {number}: {called} stands on line {first[clip]} already; leave one of them")
        elif clip not in clips and cells["new_caption"].strip():
            known = clip or "no clip_id"
            found.append(f"line {number}: {called} ({known}) is no clip of this config; take the line out")
        first.setdefault(clip, number)
    return found


def _plain(text: str) -> str:
    """A text as it is after a spreadsheet has kept it."""
    return "\n".join(text.replace("\r\n", "\n").replace("\r", "\n").splitlines()).strip()


def _clips(context: Context) -> list[Clip]:
    context.refresh()
    try:
        return kept_clips(context)
    except NotReadyError as error:
        raise LtxError(f"clips are not known yet ({error}); run `ltx stage captions CONFIG` first") from None


def _row(context: Context, clip: Clip, preview: str) -> ReviewRow:
    row = _rows(context).get(clip.clip_id)
    source = str(row.columns["caption_source"]) if row is not None and row.ok else ""
    status = "missing: not captioned yet" if row is None else "ok" if row.ok else row.reason
    return ReviewRow(
        clip=clip.name,
        source=str(clip.path),
        start_s=f"{clip.start_s:.3f}",
        end_s=f"{clip.end_s:.3f}",
        preview=preview,
        caption=_caption(context, clip),
        caption_source=source,
        new_caption="",
        status=status,
        clip_id=f"{ID_PREFIX}{clip.clip_id}",
    )


def _rows(context: Context) -> dict[str, Row]:
    """Committed rows of captions by clip id, of those that are there."""

    def look() -> dict[str, Row]:
        rows = context.committed("captions")
        return {item.clip_id: rows[item.key] for item in context.items("captions") if item.key in rows}

    return context.memo("captions that are there", look)


def _caption(context: Context, clip: Clip) -> str:
    row = _rows(context).get(clip.clip_id)
    return str(row.columns["caption"]) if row is not None and row.ok else ""


def _preview(context: Context, clip: Clip) -> str:
    """Path of a picture of the clip, or "" where it has none or cannot be decoded."""
    if not clip.has_picture:
        return ""
    path = captions_folder(context) / "previews" / f"{clip.pixels}.jpg"
    if not path.exists():
        try:
            write_atomic(path, _picture(context, clip))
        except MediaError as error:
            log.warning("no preview of %s: %s", clip.name, error.reason)
            return ""
    return str(path)


def _picture(context: Context, clip: Clip) -> bytes:
    """The first, the middle and the last frame side by side, as JPEG."""
    from ltx_core.curation.captioning.media_parts import jpegs
    from ltx_core.media.sheet import pick_frames, side_by_side, thumbnail

    frames = pick_frames(context.models.frames(clip), PICTURE_FRAMES)
    return jpegs(side_by_side([thumbnail(frame, PICTURE_SIDE) for frame in frames])[None], 1)[0]
