"""Samples as files: a video with its sound, a sound alone, and a contact sheet of all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ltx_core.media.sheet import Strip, contact_sheet, pick_frames
from ltx_core.media.spectrogram import spectrogram
from ltx_core.media.wav import wav_bytes
from ltx_core.media.write import write_video
from ltx_core.stages.generate import Generated
from ltx_core.stages.sample_media import Frames, Wave
from ltx_core.store.disk import TEMPORARY_PREFIX, explain, sync_folder, write_atomic

SHEET = "sheet.png"
SHEET_FRAMES = 9
SHEET_LONGEST = 128
SOUND_SQUARES = 4


def write_samples(folder: Path, generated: Sequence[Generated]) -> list[Path]:
    """Write each sample, and one contact sheet of all; returns the paths of the samples.

    What was in the folder before goes: it holds these samples, or after a kill those of before or none.

    Raises:
        StoreError: when the disk is full, read-only or not permitted.
    """
    new = folder.with_name(f"{TEMPORARY_PREFIX}{folder.name}")
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        paths = [write_sample(new, found) for found in generated]
        write_sheet(new, [strip_of(found, found.request.prompt) for found in generated])
        if folder.is_dir():
            shutil.rmtree(folder)
        new.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise explain(error, folder) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return [folder / path.name for path in paths]


def write_sheet(folder: Path, strips: Sequence[Strip]) -> None:
    """Write the contact sheet of some samples; none of no sample."""
    if strips:
        write_atomic(folder / SHEET, contact_sheet(strips, SHEET_LONGEST))


def write_sample(folder: Path, found: Generated) -> Path:
    """Write `<name>.mp4`, or `<name>.wav` where there is no picture; sounds of references lie beside it."""
    shown, name = found.request.shown, found.request.name
    for number, sound in enumerate(shown.sounds, 1):
        write_atomic(folder / f"{name}.reference{number}.wav", wav_bytes(sound, shown.rate))
    if found.frames is None:
        if found.wave is None:
            raise ValueError(f"sample {name} has neither frames nor sound")
        path = folder / f"{name}.wav"
        write_atomic(path, wav_bytes(found.wave, found.rate))
        return path
    path = folder / f"{name}.mp4"
    write_video(path, shown_frames(found, found.frames), found.fps, found.wave, found.rate)
    return path


def shown_frames(found: Generated, frames: Frames) -> Frames:
    """The frames of a sample, with its references to the left of them where they are asked for."""
    return side_by_side([*found.request.shown.beside, frames])


def side_by_side(clips: Sequence[Frames]) -> Frames:
    """Clips `[F, H, W, 3]` in one picture, scaled to the height and the length of the last one."""
    import cv2

    last = clips[-1]
    count, height = last.shape[:2]
    fitted = []
    for clip in clips[:-1]:
        width = max(2, round(clip.shape[2] * height / clip.shape[1] / 2) * 2)
        grown = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_LANCZOS4) for frame in clip]
        # A reference of fewer frames lasts as long: each of its frames stays until the next.
        at = np.arange(count) * (len(clip) - 1) // max(1, count - 1)
        fitted.append(np.stack(grown)[at])
    return np.ascontiguousarray(np.concatenate([*fitted, last], axis=2))


def strip_of(found: Generated, label: str, frames: int = SHEET_FRAMES) -> Strip:
    """A row of a contact sheet: frames of the video, and the spectrogram of a sound made for it or alone."""
    if found.frames is None and found.wave is None:
        raise ValueError(f"sample {found.request.name} has neither frames nor sound")
    pictures: list[Frames] = []
    given = found.request.shown.frames is not None
    if found.frames is not None:
        pictures += pick_frames(shown_frames(found, found.frames), max(1, frames // 2) if given else frames)
    if found.wave is not None and (given or found.frames is None):
        pictures += _squares(found.wave, found.rate, max(1, min(frames // 2, SOUND_SQUARES)))
    return Strip(pictures, label)


def _squares(wave: Wave, rate: int, count: int) -> list[Frames]:
    """A spectrogram cut into squares: a sheet scales every picture to one size."""
    picture = spectrogram(wave, rate, count * SHEET_LONGEST, SHEET_LONGEST)
    return np.split(picture, count, axis=1)
