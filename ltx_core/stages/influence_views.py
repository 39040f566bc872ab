"""What people see of a lever: each clip, what it was given, and the samples of all variants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ltx_core.assemble import audio_tokens, video_tokens
from ltx_core.evaluation.effects import Comparison, Media
from ltx_core.evaluation.levers import held
from ltx_core.evaluation.regions import shown_where
from ltx_core.evaluation.report import SampleGroup, View
from ltx_core.evaluation.rows import condition_title
from ltx_core.evaluation.views import sound_view, view_of
from ltx_core.media.audio import loudness
from ltx_core.media.pitch import pitch
from ltx_core.media.write import encode_video
from ltx_core.sampling.decode import decode_audio, decode_video
from ltx_core.stages.generate import Generated
from ltx_core.stages.influence import Influence, Trial
from ltx_core.store.dataset import Sample

SHOWN_CLIPS = 3
"""Clips of a condition whose samples are shown."""
LABELS = {
    "right": "With its own {}",
    "wrong": "With another clip's {}",
    "withheld": "Without the {}",
    "seed": "With its own {}, another seed",
}


def group(influence: Influence, trial: Trial, clip: Sample, found: Comparison) -> SampleGroup:
    """One clip of a lever with its samples."""
    title, what = condition_title(trial.lever.key), trial.lever.kind.replace("_", " ")
    what = {"audio": "sound"}.get(trial.lever.modality, "video") if what == "given" else what
    views = [media_view("The clip itself", found.true, clip.fps, trial.lever.measured)]
    views += _given(influence, trial, clip, found.true)
    views += [
        media_view(LABELS[variant].format(what), sample, clip.fps, trial.lever.measured)
        for variant, sample in found.samples.items()
        if variant in LABELS
    ]
    return SampleGroup(clip.caption, tuple(views), f"{title[0].upper()}{title[1:]}: {clip.name}")


def media_view(label: str, media: Media, fps: float, modality: str) -> View:
    """A strip of frames, to play where there is sound too; a spectrogram where sound alone is looked at."""
    note = sound_note(media)
    if media.frames is None or (modality == "audio" and media.wave is not None):
        if media.wave is None:
            raise ValueError(f"{label}: neither frames nor sound")
        view = sound_view(label, media.wave, media.rate, note)
        if media.frames is None:
            return view
        return replace(view, video=encode_video(media.frames, fps, media.wave, media.rate))
    film = encode_video(media.frames, fps, media.wave, media.rate) if media.wave is not None else None
    return view_of(label, media.frames, film, note)


def generated_view(label: str, found: Generated, path: Path) -> View:
    """A sample that lies in a file."""
    note = sound_note(Media(found.frames, found.wave, found.rate))
    if found.frames is not None:
        return view_of(label, found.frames, path.read_bytes(), note)
    if found.wave is None:
        raise ValueError(f"{label}: neither frames nor sound")
    return sound_view(label, found.wave, found.rate, note)


def sound_note(media: Media) -> str:
    """Level and pitch of the sound, in words."""
    if media.wave is None:
        return ""
    level, hertz = loudness(media.wave), pitch(media.wave, media.rate)
    tone = f"{hertz:.0f} Hz" if np.isfinite(hertz) and hertz > 0 else "no clear pitch"
    return f"sound {level:.0f} dBFS, {tone}"


def _given(influence: Influence, trial: Trial, clip: Sample, true: Media) -> Iterator[View]:
    """What the condition gave of the clip: a reference, or the held part of it."""
    lever, context = trial.lever, influence.context
    if lever.attaches:
        for column in lever.columns:
            latents = influence.clips.content(clip.clip_id, column)
            if lever.modality == "video":
                grid = influence.clips.grid(latents)
                frames = decode_video(context.models.video(), video_tokens(latents[None]), grid)[0]
                yield view_of("Its reference", frames)
            else:
                seconds = latents.shape[1] / _rate(influence)
                waves, rate = decode_audio(context.models.audio(), audio_tokens(latents[None]), seconds)
                yield sound_view("Its reference", waves[0], rate)
    elif lever.holds and lever.modality == "video" and true.frames is not None:
        batch = influence.rows.reader()([clip.clip_id])
        hold = held(lever, influence.strategy, batch, influence.scales)[0]
        grid = influence.clips.grid(influence.clips.content(clip.clip_id, "video"))
        yield view_of("What is held of it", shown_where(true.frames, hold, grid))


def _rate(influence: Influence) -> float:
    scale = influence.scales.audio
    return scale.latents_per_second if scale is not None else 1.0
