"""Clips as files of their own, with a dataset file beside them: a source for any program, this one too.

Design choices
- A file's name holds a digest of all that decides its content: what is there is not written again, so a
  killed export goes on where it stopped, and another cut, size or rate is another file.
- The dataset file comes last: while it is missing, the folder is not complete.
- The folder belongs to the export: files of earlier cuts are removed from it, and a folder that holds
  anything else is refused.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from ltx_core.errors import LtxError
from ltx_core.stages.base import NotReadyError
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.scores import kept_clips
from ltx_core.store.disk import TEMPORARY_PREFIX, locked, write_atomic
from ltx_core.store.keys import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Size = Literal["source", "bucket"]
VERSION = 1
"""Of what is written for a clip; another number has all files written anew."""
CRF = 16
"""x264's rate factor: hardly a visible loss."""
TABLE = "dataset.jsonl"
MARK = ".clips-export"
"""Says that a folder is an export, and is locked while one writes there."""
SOUND_RATE = 48000
"""Samples per second where the source's own rate is none that AAC or WAV players know."""
CHUNK_BYTES = 256 << 20
"""Bytes of decoded frames in memory at a time."""
_OURS = re.compile(r".+\.\d{4,}\.[0-9a-f]{16}\.(mp4|png|wav|txt)")
_UNSAFE = re.compile(r"[^\w .,=+@()\[\]-]+")
_LONGEST_NAME, _MOST_BYTES = 100, 150
"""Letters and bytes of a file's name that come from its source's. File systems take 255 bytes in all: number,
digest and suffix need some 30 of them, and the temporary name of a film that is being written 15 more."""


@dataclass
class Exported:
    """What an export did.

    Attributes:
        folder: where to.
        written, present: clips whose file was written, and those whose file was there.
        removed: files of earlier exports that are gone now.
        problems: (clip, reason) of clips that cannot be read.
    """

    folder: Path
    written: int = 0
    present: int = 0
    removed: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)


def export_clips(
    context: Context,
    folder: Path,
    size: Size = "source",
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Exported:
    """Write every kept clip into `folder`, at its frame rate, with its crop applied and its sound.

    Args:
        context: of the config; its clips must have been cut (`ltx stage scores CONFIG`).
        folder: where to; empty, missing, or of an earlier export.
        size: that of the source (less an odd row or column), or that of the clip's bucket.
        tell: is told (done, total) after each clip.

    Raises:
        LtxError: no clips yet, or the folder holds something else.
        StoreError: the folder cannot be written.
    """
    try:
        clips, captions = kept_clips(context), _captions(context)
    except NotReadyError as error:
        raise LtxError(f"there are no clips yet: {error}; run `ltx stage clips CONFIG` first") from None
    _check_folder(folder)
    with locked(folder / MARK, say=True):
        return _export(context, folder, size, [(clip, captions.get(clip.clip_id)) for clip in clips], tell)


def _captions(context: Context) -> dict[str, str]:
    """Texts of the clips that have one by now."""
    try:
        rows = context.by_clip("captions")
    except NotReadyError:
        return {}
    return {clip_id: str(row.columns["caption"]) for clip_id, row in rows.items() if row.ok}


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise LtxError(f"{folder} is a file; name a folder")
    if folder.is_dir() and not (folder / MARK).exists() and any(folder.iterdir()):
        raise LtxError(
            f"{folder} holds files that no export wrote; name an empty folder, so that nothing of yours is "
            "taken for a clip"
        )


def _export(
    context: Context,
    folder: Path,
    size: Size,
    clips: list[tuple[Clip, str | None]],
    tell: Callable[[int, int], None],
) -> Exported:
    from ltx_core.media.errors import MediaError

    done, rows, wanted = Exported(folder), [], set()
    for number, (clip, caption) in enumerate(clips, 1):
        path = folder / _name(clip, size)
        try:
            if path.exists():
                done.present += 1
            else:
                _write(context, clip, path, size)
                done.written += 1
        except MediaError as error:
            done.problems.append((clip.name, str(error)))
            continue
        finally:
            tell(number, len(clips))
        wanted |= {path.name, path.with_suffix(".txt").name} if caption else {path.name}
        if caption:
            _write_text(path.with_suffix(".txt"), caption)
        rows.append(_row(clip, path.name, caption))
    done.removed = _sweep(folder, wanted)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    write_atomic(folder / TABLE, "".join(f"{line}\n" for line in lines).encode())
    return done


def _name(clip: Clip, size: Size) -> str:
    """`film.0003.DIGEST.mp4`: safe on any file system, and another one for another content."""
    stem = str(PurePosixPath(clip.file.name).with_suffix("")).replace("/", "_")
    safe = _cut(_UNSAFE.sub("_", stem).strip(" .")) or "clip"
    form = str(clip.bucket) if size == "bucket" else f"{clip.width}x{clip.height}x{clip.bucket.frames}"
    content = digest([VERSION, CRF, size, form, clip.content, clip.sound])[:16]
    return f"{safe}.{clip.index:04d}.{content}{_suffix(clip)}"


def _cut(name: str) -> str:
    """As many whole letters of a name as there is room for on a disk."""
    name = name[:_LONGEST_NAME]
    while len(os.fsencode(name)) > _MOST_BYTES:
        name = name[:-1]
    return name


def _suffix(clip: Clip) -> str:
    if not clip.has_picture or not clip.width:
        return ".wav"
    return ".png" if clip.bucket.frames == 1 else ".mp4"


def _row(clip: Clip, name: str, caption: str | None) -> dict[str, Any]:
    """A line of the dataset file."""
    column = "audio" if name.endswith(".wav") else "video"
    text = {} if caption is None else {"caption": caption}
    return {
        column: name,
        **text,
        "cut_from": clip.file.name,
        "clip_id": clip.clip_id,
        "start_s": round(clip.start_s, 6),
        "end_s": round(clip.start_s + clip.seconds, 6),
        "fps": clip.fps,
        "frames": clip.bucket.frames,
    }


def _write(context: Context, clip: Clip, path: Path, size: Size) -> None:
    """One clip's file, whole or not at all."""
    from ltx_core.media.write import write_frames

    rate = _sound_rate(context, clip)
    if path.suffix == ".wav":
        _write_sound(context, clip, path, rate)
        return
    frames = _frames(context, clip, size)
    if path.suffix == ".png":
        from ltx_core.media.sheet import png

        write_atomic(path, png(next(frames)))
        return
    first = next(frames)
    wave = context.models.sound(clip, rate)
    shape = first.shape[1], first.shape[0]
    fps = Fraction(clip.fps).limit_denominator(1001)
    write_frames(path, _after(first, frames), shape, fps, wave, 0 if wave is None else rate, CRF)


def _after(first: NDArray[np.uint8], rest: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    yield first
    yield from rest


def _write_sound(context: Context, clip: Clip, path: Path, rate: int) -> None:
    from ltx_core.media.errors import MediaError
    from ltx_core.media.wav import wav_bytes

    wave = context.models.sound(clip, rate)
    if wave is None:
        raise MediaError("no sound", clip.path)
    write_atomic(path, wav_bytes(wave, rate))


def _sound_rate(context: Context, clip: Clip) -> int:
    """The source's own rate where every player takes it."""
    from ltx_core.media.write import AAC_RATES

    rate = int(context.by_clip("sources")[clip.source].columns["audio_rate"])
    return rate if clip.given_sound is None and rate in AAC_RATES and rate <= SOUND_RATE else SOUND_RATE


def _frames(context: Context, clip: Clip, size: Size) -> Iterator[NDArray[np.uint8]]:
    """The clip's frames `[H, W, 3]` with even sides, one by one."""
    if size == "bucket":
        yield from context.models.frames(clip)
        return
    from ltx_core.media.decode import frame_times, read_frames
    from ltx_core.media.window import FrameWindow

    window = FrameWindow(clip.start_s, clip.fps, clip.bucket.frames, clip.start, clip.end)
    numbers = window.frames(frame_times(clip.path))
    step = max(1, CHUNK_BYTES // (3 * max(1, clip.width * clip.height)))
    treatment = context.config.dataset.treatment
    for start in range(0, len(numbers), step):
        chosen = numbers[start : start + step]
        yield from read_frames(clip.path, chosen, None, treatment, lambda frame: _even(clip, frame))
    clip.file.check()


def _even(clip: Clip, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The used part of a frame, less an odd row or column: half-size colour planes need even sides."""
    if clip.crop is not None:
        rows, columns = clip.crop.scaled(frame.shape[1], frame.shape[0])
        frame = frame[rows, columns]
    height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
    return frame[: max(height, 1), : max(width, 1)]


def _write_text(path: Path, text: str) -> None:
    data = text.encode()
    if not path.exists() or path.read_bytes() != data:
        write_atomic(path, data)


def _sweep(folder: Path, wanted: set[str]) -> int:
    """Remove files of earlier exports, and what a killed one left unfinished."""
    removed = 0
    for path in sorted(folder.iterdir()):
        unfinished = path.name.startswith(TEMPORARY_PREFIX) or (
            path.name.startswith(".") and path.name.endswith(".tmp")
        )
        if unfinished or (_OURS.fullmatch(path.name) and path.name not in wanted):
            path.unlink()
            removed += not unfinished
    return removed
