"""scores: what is measured of every clip, and which clips the filters keep.

A row per clip, arithmetic on slices of its source's series: no film is decoded. A row holds the same scores
in every mode and at every threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.stages.base import Item, Stage, pending, unusable
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips
from ltx_core.stages.context import Context
from ltx_core.stages.filtered import kept_clips
from ltx_core.store.rows import PendingRow, Row

if TYPE_CHECKING:
    from ltx_core.curation.measures.scores import Series

__all__ = ["Scores", "kept_clips"]
COLUMNS = (
    *("kind", "has_sound", "shot", "luma", "luma_high", "black_share", "sharpness", "motion", "frozen_share"),
    *("border_share", "text_share", "overlay_share", "hashes"),
    *("sound_dbfs", "sound_peak", "silence_share", "clipped_share"),
    *("sound_late_s", "sound_late_sure", "sound_starts_s"),
)
"""What every row has; None where it has no meaning."""


class Scores(Stage):
    """One number per question."""

    name: ClassVar[str] = "scores"

    def items(self, context: Context) -> list[Item]:
        """One per clip, keyed by what was measured of its source and by its range."""
        watched = context.by_clip("scenes")
        return [
            Item(
                self.key(context, [watched[clip.source].content_digest, clip.clip_id, *_given(clip)]),
                clip.clip_id,
                clip.name,
                (clip.row_key, watched[clip.source].row_key),
                clip,
            )
            for clip in all_clips(context)
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Slice the series of each clip's source."""
        facts, watched = context.by_clip("sources"), context.by_clip("scenes")
        read = _Reader(context)
        for item in items:
            clip: Clip = item.payload
            found = _scores(clip, facts[clip.source].columns, watched[clip.source], read)
            yield pending(item, columns=dict.fromkeys(COLUMNS) | found)


class _Reader:
    """Series of the last source and of the last given sound, for the clips that follow each other."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._source: tuple[str, Series] = ("", {})
        self._sound: tuple[str, Series] = ("", {})

    def source(self, row: Row) -> Series:
        """What was measured of a source."""
        if self._source[0] != row.row_key:
            tensors = self._context.store.read(row)
            self._source = row.row_key, {name: tensor.numpy() for name, tensor in tensors.items()}
        return self._source[1]

    def given(self, clip: Clip) -> Series:
        """The same of the file that is given for a clip's sound; nothing where that cannot be read."""
        from ltx_core.curation.measures.sound import measure_sound
        from ltx_core.media.errors import MediaError

        side = clip.given_sound
        if side is None or side.problem:
            return {}
        if self._sound[0] != side.digest:
            try:
                self._sound = side.digest, measure_sound(side.path)
            except MediaError as error:
                unusable(error)  # raises where the file is gone; what is wrong with it, its own stage says
                self._sound = side.digest, {}
            side.check()
        return self._sound[1]


def _given(clip: Clip) -> list[str]:
    return [] if clip.given_sound is None else [clip.given_sound.digest, *clip.late]


def _scores(clip: Clip, facts: Mapping[str, Any], row: Row, read: _Reader) -> dict[str, Any]:
    from ltx_core.curation.measures.scores import picture_scores, sound_scores, sync_scores
    from ltx_core.media.audio import time_origin

    series = read.source(row)
    found: dict[str, Any] = {"kind": facts["kind"], "has_sound": clip.has_audio}
    sound, ahead = series, 0.0
    if clip.given_sound is not None:
        sound = read.given(clip)
        ahead = (time_origin(clip.given_sound.path) if sound else 0.0) - clip.origin
    found |= sound_scores(sound, clip.start_s + ahead, clip.end_s + ahead)
    if facts["kind"] == "audio":
        return found
    found |= {**picture_scores(series, clip.start, clip.end), **_scene_facts(clip, facts, row)}
    if facts["has_audio"] and clip.given_sound is None:
        found["sound_starts_s"] = float(facts["audio_start"] - facts["video_start"])
    return found | sync_scores(series, sound, clip.start_s, clip.end_s, ahead)


def _scene_facts(clip: Clip, facts: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """The number of the shot that a clip is a window of, and how much of the picture its borders take."""
    scenes = row.columns["scenes"]
    inside = (n for n, one in enumerate(scenes) if one["start_frame"] <= clip.start < one["end_frame"])
    shot = next(inside, None)
    if shot is None:
        return {"border_share": 0.0}
    borders = scenes[shot]["borders"]
    if borders is None:
        return {"shot": shot, "border_share": 0.0}
    width, height = facts["width"], facts["height"]
    inner = (width - borders["left"] - borders["right"]) * (height - borders["top"] - borders["bottom"])
    return {"shot": shot, "border_share": 1 - inner / (width * height)}
