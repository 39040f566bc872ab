"""Previews and stills of clips for the pages of a dataset: made once, named by what decides them.

Design choices
- A preview is decoded at its own small size, never at the bucket's: the same frames in the same crop.
- A file that is there is used whatever this run may make, so that a larger limit only adds.
- What cannot be decoded any more is said on the card; the page is made all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ltx_core.errors import LtxError
from ltx_core.evaluation.browsing.facts import Look
from ltx_core.evaluation.browsing.links import MEDIA
from ltx_core.media.errors import MediaError
from ltx_core.stages.browse_frames import middle_frame, small
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.store.disk import write_atomic
from ltx_core.store.keys import digest
from ltx_core.store.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frames = NDArray[np.uint8]
    Wave = NDArray[np.float32]

Make = Literal["all", "still", "nothing"]
"""What may be made of a clip that is not there yet."""
VERSION = 1
"""Of the previews; another one names other files."""
RATE = 32000
"""Samples per second of previews' sound: all that a small player gives."""
CRF = 26
"""x264's rate factor of previews: a few ten kilobytes each."""


@dataclass(frozen=True)
class Beside:
    """A stored video or sound that belongs to a clip: `column` is what it fills, "" for the only one."""

    stage: str
    column: str
    row: Row


LABELS: Mapping[str, str] = {
    "references": "Reference",
    "masks": "Mask",
    "audio_references": "Reference sound",
    "audio_masks": "Mask of the sound",
}
"""Stages whose rows hold files to look at or to listen to."""


class Previews:
    """The media of a folder of pages."""

    def __init__(self, context: Context, folder: Path) -> None:
        self.context, self.folder = context, folder / MEDIA
        self.folder.mkdir(parents=True, exist_ok=True)
        self.present = {path.name for path in self.folder.iterdir()}
        self.made = 0

    def looks(self, clip: Clip, others: Sequence[Beside], make: Make) -> tuple[Look, ...]:
        """Everything that can be seen of a clip; what is missing is made where `make` allows it."""
        try:
            found = self._pictured(clip, others, make) if clip.has_picture else self._heard(clip, make)
            return tuple(found + self._sounds(clip, others, make))
        except (MediaError, LtxError) as error:
            reason = error.reason if isinstance(error, MediaError) else str(error)
            return (Look("Clip", note=f"cannot be shown any more: {reason}"),)

    def still_at(self, path: Path, source: str, seconds: float) -> str:
        """A frame of a file near a time, for what is no clip; "" where none can be read."""
        from ltx_core.evaluation.browsing.pictures import jpeg
        from ltx_core.media.decode import read_frames
        from ltx_core.media.sheet import thumbnail

        name = f"{digest([VERSION, source, round(seconds, 3)])[:24]}.jpg"
        if name not in self.present:
            try:
                frame = read_frames(path, [seconds])[0]
            except (MediaError, LtxError, OSError):
                return ""
            self._write(name, jpeg(thumbnail(frame, min(320, max(frame.shape[:2])))))
        return f"{MEDIA}/{name}"

    def _pictured(self, clip: Clip, others: Sequence[Beside], make: Make) -> list[Look]:
        from ltx_core.evaluation.browsing.pictures import jpeg

        key = digest([VERSION, clip.content])[:24]
        film, still, sound = f"{key}.mp4", f"{key}.jpg", f"{key}-sound.jpg"
        videos = [one for one in others if one.stage in ("references", "masks")]
        names = {one.row.row_key: f"{key}-{one.stage}-{one.row.content_digest[:12]}" for one in videos}
        row = f"{key}-row-{digest(sorted(names.values()))[:12]}" if videos else ""
        wanted = [film, still, *(f"{name}.mp4" for name in (*names.values(), row) if name)]
        frames: Frames | None = None
        if make == "all" and not self.present.issuperset(wanted):
            frames = self._film(clip, film, still, sound)
            self._beside(frames, clip, videos, names, row)
        elif make == "still" and still not in self.present:
            self._write(still, jpeg(middle_frame(self.context, clip)))
        looks = [self._look("Clip", film, still, f"A frame of {clip.name}")]
        looks += [
            self._look(_label(one), f"{name}.mp4", f"{name}.jpg", f"{_label(one)} of {clip.name}")
            for one in videos
            if (name := names[one.row.row_key])
        ]
        looks.append(self._look("Side by side", f"{row}.mp4", f"{row}.jpg", f"{clip.name}, and what it has"))
        looks.append(self._look("Sound", "", sound, f"Waveform and spectrogram of {clip.name}"))
        return [look for look in looks if look is not None]

    def _look(self, label: str, media: str, still: str, alt: str) -> Look | None:
        has_media, has_still = media in self.present, still in self.present
        if not (has_media or has_still):
            return None
        return Look(
            label,
            ("audio" if media.endswith(".wav") else "video") if has_media else "picture",
            f"{MEDIA}/{still}" if has_still else "",
            f"{MEDIA}/{media}" if has_media else "",
            alt,
        )

    def _film(self, clip: Clip, film: str, still: str, sound: str) -> Frames:
        """Write a clip's player, its still and the picture of its sound."""
        from ltx_core.evaluation.browsing.pictures import jpeg, middle, sound_picture
        from ltx_core.media.write import write_video

        frames = self.context.models.frames(small(clip))
        wave = self.context.models.sound(clip, RATE)
        if still not in self.present:
            self._write(still, jpeg(middle(frames)))
        if wave is not None and sound not in self.present:
            self._write(sound, jpeg(sound_picture(wave, RATE)))
        if film not in self.present:
            write_video(self.folder / film, frames, clip.fps, wave, RATE if wave is not None else 0, crf=CRF)
            self._note(film)
        return frames

    def _beside(
        self, frames: Frames, clip: Clip, videos: Sequence[Beside], names: Mapping[str, str], row: str
    ) -> None:
        """Write the players of references and of masks over the clip, and all of them side by side."""
        from ltx_core.evaluation.browsing.pictures import beside, resized

        shown = [frames]
        for one in videos:
            found = self._shown(frames, one)
            if found is None:
                continue
            fps = clip.fps * len(found) / len(frames)
            self._player(names[one.row.row_key], found, fps)
            shown.append(resized(found, frames.shape[2], frames.shape[1]))
        if row and len(shown) > 1:
            self._player(row, beside(shown), clip.fps)

    def _shown(self, frames: Frames, one: Beside) -> Frames | None:
        """A stored reference, or the clip under a stored mask, at most as large as a preview."""
        from ltx_core.evaluation.browsing.pictures import overlaid, preview_size, resized
        from ltx_core.media.decode import frame_times, read_frames

        path = _file(self.context, one.row, ".mp4")
        if path is None:
            return None
        found = read_frames(path, list(range(len(frame_times(path)))))
        found = overlaid(frames, found) if one.stage == "masks" else found
        return resized(found, *preview_size(found.shape[2], found.shape[1]))

    def _player(self, name: str, frames: Frames, fps: float) -> None:
        from ltx_core.evaluation.browsing.pictures import jpeg, middle
        from ltx_core.media.write import write_video

        if f"{name}.jpg" not in self.present:
            self._write(f"{name}.jpg", jpeg(middle(frames)))
        if f"{name}.mp4" not in self.present:
            write_video(self.folder / f"{name}.mp4", frames, fps, crf=CRF)
            self._note(f"{name}.mp4")

    def _heard(self, clip: Clip, make: Make) -> list[Look]:
        """The sound of a clip of a mode without video."""
        key = digest([VERSION, clip.sound])[:24]
        if make != "nothing" and f"{key}.jpg" not in self.present:
            self._write_sound(key, lambda: self.context.models.sound(clip, RATE), make == "all")
        elif make == "all" and f"{key}.wav" not in self.present:
            self._write_sound(key, lambda: self.context.models.sound(clip, RATE), True)
        look = self._look("Clip", f"{key}.wav", f"{key}.jpg", f"Waveform and spectrogram of {clip.name}")
        return [look] if look is not None else []

    def _sounds(self, clip: Clip, others: Sequence[Beside], make: Make) -> list[Look]:
        """Stored reference sounds, and masks of the sound."""
        found = []
        for one in others:
            if one.stage not in ("audio_references", "audio_masks"):
                continue
            key = f"{digest([VERSION, clip.sound, one.stage, one.row.content_digest])[:24]}"
            if make == "all" and f"{key}.jpg" not in self.present:
                self._write_stored_sound(key, clip, one)
            look = self._look(_label(one), f"{key}.wav", f"{key}.jpg", f"{_label(one)} of {clip.name}")
            found += [look] if look is not None else []
        return found

    def _write_stored_sound(self, key: str, clip: Clip, one: Beside) -> None:
        path = _file(self.context, one.row, ".wav")
        if path is None:
            return
        if one.stage == "audio_references":
            from ltx_core.media.audio import read_audio

            self._write_sound(key, lambda: read_audio(path, 0.0, clip.seconds, RATE), True)
            return
        from ltx_core.evaluation.browsing.pictures import jpeg, sound_picture

        wave = self.context.models.sound(clip, RATE)
        kept = self.context.store.read(one.row)["mask"].float().numpy().reshape(-1)
        if wave is not None:
            self._write(f"{key}.jpg", jpeg(sound_picture(wave, RATE, kept)))

    def _write_sound(self, key: str, read: Callable[[], Wave | None], player: bool) -> None:
        """The picture of a sound, and the sound itself as WAV where a player is wanted."""
        from ltx_core.evaluation.browsing.pictures import jpeg, sound_picture
        from ltx_core.media.wav import wav_bytes

        wave = read()
        if wave is None:
            return
        if player and f"{key}.wav" not in self.present:
            self._write(f"{key}.wav", wav_bytes(wave, RATE))
        if f"{key}.jpg" not in self.present:
            self._write(f"{key}.jpg", jpeg(sound_picture(wave, RATE)))

    def _write(self, name: str, data: bytes) -> None:
        write_atomic(self.folder / name, data)
        self._note(name)

    def _note(self, name: str) -> None:
        self.present.add(name)
        self.made += 1


def _label(one: Beside) -> str:
    label = "Mask over it" if one.stage == "masks" else LABELS[one.stage]
    facts = [fact for fact in (one.column, str(one.row.columns.get("kind") or "")) if fact]
    return f"{label} ({', '.join(facts)})" if facts else label


def _file(context: Context, row: Row, suffix: str) -> Path | None:
    """The row's file of a kind."""
    name = next((file.name for file in row.files if file.name.endswith(suffix)), None)
    return None if name is None else context.store.file(row, name)
