"""`ltx show CONFIG CLIP --decode`: what a clip's stored latents decode to, beside the clip.

Design choices
- What is compared with is what was encoded: the clip's frames at its bucket's size, the stored reference, the
  stored mask. Imported samples have none of it: what they decode to stands alone.
- A mask is no autoencoder's work: its cells are spread over the pixels and frames that they stand for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltx_core.errors import LtxError
from ltx_core.evaluation.browsing.decoded import Compared, comparison_page, table_rows, written
from ltx_core.evaluation.browsing.links import decoded_page
from ltx_core.evaluation.browsing.write import write_changed
from ltx_core.media.errors import MediaError
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.browse import clip_page, find_clip
from ltx_core.stages.browse_facts import present
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import FILLED_BY, filled_by
from ltx_core.stages.folder import folder_of_pages
from ltx_core.stages.imported_dataset import gather_imported
from ltx_core.store.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Frames = NDArray[np.uint8]

TITLES = {
    "latents": "Video",
    "audio_latents": "Sound",
    "reference_latents": "Reference",
    "reference_audio_latents": "Reference sound",
    "video_masks": "Mask",
    "audio_masks": "Mask of the sound",
}
MADE_FROM = {"reference_latents": "references", "video_masks": "masks"}
MADE_FROM |= {"reference_audio_latents": "audio_references"}
"""Column -> stage whose stored file its rows are made of."""


@dataclass(frozen=True)
class Stored:
    """A clip's row of one column, and the row that it was made of where that is a file."""

    column: str
    row: Row
    origin: Row | None = None


@dataclass(frozen=True)
class Subject:
    """What is decoded: a clip, or an imported sample without media (`clip` is None)."""

    clip_id: str
    name: str
    fps: float
    seconds: float
    columns: tuple[Stored, ...]
    clip: Clip | None = None


def compare(context: Context, what: str) -> tuple[dict[str, Any], Path]:
    """Decode every column of a clip; a table of the numbers, and the page.

    Args:
        context: of the config.
        what: a clip's or sample's name, or the beginning of its id.

    Raises:
        LtxError: when no clip is named so, or nothing of it is encoded yet.
        StoreError: when a stored tensor is damaged, or the disk takes no more.
    """
    subject = _imported(context, what) if context.config.imported else _clip(context, what)
    if not subject.columns:
        raise LtxError(
            f"nothing of {subject.name} is encoded yet; `ltx stage dataset CONFIG` encodes every clip"
        )
    folder = folder_of_pages(context.config)
    found = [written(folder, subject.clip_id, one) for one in _compared(context, subject)]
    name = decoded_page(subject.clip_id)
    write_changed(folder / name, comparison_page(subject.clip_id, subject.name, found))
    clip_page(context, subject.name)  # which leads to the comparison, and the other way round
    table = {
        "title": f"{subject.name}: what its latents decode to",
        "columns": ("what", "measure", "value"),
        "rows": table_rows(found),
    }
    return table, folder / name


def _clip(context: Context, what: str) -> Subject:
    clip = find_clip(context, what)
    columns = []
    for column, stage in {**_further(context), **FILLED_BY}.items():
        if stage == "text":
            continue
        row = _row(context, stage, clip.clip_id, column)
        if row is not None:
            origin = MADE_FROM.get(column) or (MADE_FROM["reference_latents"] if stage != column else None)
            columns.append(
                Stored(column, row, None if origin is None else _row(context, origin, clip.clip_id, column))
            )
    return Subject(clip.clip_id, clip.name, clip.fps, clip.seconds, tuple(columns), clip)


def _further(context: Context) -> dict[str, str]:
    """Columns of further references."""
    return {column: filled_by(context, column) for column in context.config.dataset.extra_references}


def _row(context: Context, stage: str, clip_id: str, column: str) -> Row | None:
    for item, row in present(context, stage):
        if item.clip_id == clip_id and item.column in ("", column) and row.ok:
            return row
    return None


def _imported(context: Context, what: str) -> Subject:
    try:
        samples = gather_imported(context)[0]
    except NotReadyError as error:
        raise LtxError(
            f"nothing to decode yet: {error}; run `ltx store import FOLDER CONFIG` first"
        ) from None
    found = next((one for one, _ in samples if what in (one.name, one.clip_id)), None)
    if found is None:
        names = ", ".join(one.name for one, _ in samples[:5])
        raise LtxError(f"no sample is named {what!r}; samples are named as {names}, …")
    rows = context.store.lookup("imported", list(found.columns.values()))
    columns = [
        Stored(column, rows[key])
        for column, key in found.columns.items()
        if rows[key].columns["kind"] != "text"
    ]
    return Subject(found.clip_id, found.name, found.fps, found.duration, tuple(columns))


def _compared(context: Context, subject: Subject) -> Iterator[Compared]:
    for stored in subject.columns:
        title = TITLES.get(stored.column, stored.column)
        tensors = context.store.read(stored.row)
        tensor = next(iter(tensors.values())).float()
        mask = stored.column == "video_masks" or str(stored.row.columns.get("kind")).endswith("mask")
        if tensor.ndim == 1:
            continue  # steps of a sound: the clip's page shows them under its waveform
        if tensor.ndim == 4:
            yield _video(context, subject, stored, title, tensor)
        elif mask:
            yield _mask(context, subject, stored, title, tensor)
        else:
            yield _sound(context, subject, stored, title, tensor)


def _video(context: Context, subject: Subject, stored: Stored, title: str, latents: Tensor) -> Compared:
    from ltx_core.assemble import video_tokens
    from ltx_core.geometry.grid import VideoGrid
    from ltx_core.sampling.decode import decode_video

    frames, height, width = latents.shape[-3:]
    grid = VideoGrid(frames, height, width, context.info.video_scale)
    decoded = decode_video(context.models.video(), video_tokens(latents[None]), grid)[0]
    original = None
    if subject.clip is not None:
        own = stored.column == "latents"
        original = context.models.frames(subject.clip) if own else _stored_video(context, stored.origin)
    fps = float(stored.row.columns.get("fps") or subject.fps)
    return Compared(stored.column, title, fps, decoded, original)


def _mask(context: Context, subject: Subject, stored: Stored, title: str, cells: Tensor) -> Compared:
    import numpy as np

    scale = context.info.video_scale
    planes = cells.numpy().repeat(scale.height, axis=1).repeat(scale.width, axis=2)
    frames = np.concatenate([planes[:1], planes[1:].repeat(scale.time, axis=0)])  # frame 0 is a cell alone
    grey = (np.clip(frames, 0, 1) * 255).round().astype(np.uint8)
    decoded = np.repeat(grey[..., None], 3, axis=3)
    return Compared(stored.column, title, subject.fps, decoded, _stored_video(context, stored.origin))


def _sound(context: Context, subject: Subject, stored: Stored, title: str, latents: Tensor) -> Compared:
    from ltx_core.assemble import audio_tokens
    from ltx_core.media.audio import read_audio
    from ltx_core.sampling.decode import decode_audio

    waves, rate = decode_audio(context.models.audio(), audio_tokens(latents[None]), subject.seconds)
    original = None
    if stored.column == "audio_latents" and subject.clip is not None:
        original = context.models.sound(subject.clip, rate)
    elif stored.origin is not None:
        path = _file(context, stored.origin, ".wav")
        original = None if path is None else read_audio(path, 0.0, subject.seconds, rate)
    return Compared(stored.column, title, wave=waves[0], true_wave=original, rate=rate)


def _stored_video(context: Context, row: Row | None) -> Frames | None:
    from ltx_core.media.decode import frame_times, read_frames

    path = None if row is None else _file(context, row, ".mp4")
    if path is None:
        return None
    try:
        return read_frames(path, list(range(len(frame_times(path)))))
    except MediaError as error:
        raise LtxError(
            f"{path} cannot be read: {error.reason}; `ltx store verify --repair` mends it"
        ) from error


def _file(context: Context, row: Row, suffix: str) -> Path | None:
    name = next((file.name for file in row.files if file.name.endswith(suffix)), None)
    return None if name is None else context.store.file(row, name)
