"""audio_references and reference_audio_latents: a reference sound of each clip, kept as WAV, and its latents.

Which sound: of the kind that the config states; where it states none, the `reference_audio` of the dataset
file if it has that column, else the clip's own sound muffled. A reference is as long as its clip and never
scaled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ltx_core.config.kind_uses import Use
from ltx_core.curation.kinds import FILE
from ltx_core.curation.options.references import AUDIO_DEFAULT
from ltx_core.curation.referencing.kinds import AUDIO_REFERENCES
from ltx_core.stages.base import Item, Stage, pending, rejected, unusable
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.dataset import silence_is_kept
from ltx_core.stages.given import given_file, is_given
from ltx_core.stages.kind_work import kind_marks, kind_work, own_values
from ltx_core.stages.latents import no_sound
from ltx_core.stages.scores import kept_clips
from ltx_core.store.rows import PendingRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SOUND = "reference.wav"
COLUMN = "reference_audio_latents"
GIVEN = "reference_audio"
"""Column of the dataset file."""
AS_LONG = 0.1
"""Seconds by which a given reference may end before its clip: lossy files differ by so much."""


class AudioReferences(Stage):
    """Reference sounds: computed once, listened to by people."""

    name: ClassVar[str] = "audio_references"

    def needed(self, context: Context) -> bool:
        """A mode that reads the column `reference_audio_latents`."""
        return COLUMN in context.config.training_strategy.columns

    def section(self, context: Context) -> dict[str, Any]:
        """Kind and its parameters, the model's sample rate, and what becomes of a clip without sound."""
        use = audio_reference_use(context)
        marks = kind_marks(context, use)
        needs = {
            **({"marks": marks} if marks else {}),
            **({} if use.kind.name == FILE else _silence(context)),
        }
        return {"kind": use.kind.name, **own_values(use), "rate": _rate(context), **needs}

    def items(self, context: Context) -> list[Item]:
        """One per clip, keyed by the sound that it is made of."""
        return [
            Item(
                self.key(context, _inputs(context, clip)),
                clip.clip_id,
                clip.name,
                (clip.row_key,),
                clip,
            )
            for clip in kept_clips(context)
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Make each of the clip's sound, or cut the given file."""
        from ltx_core.media.errors import MediaError
        from ltx_core.media.wav import wav_bytes

        kind = audio_reference_use(context).kind.name
        for item in items:
            clip: Clip = item.payload
            try:
                wave = _given(context, clip) if kind == FILE else _own(context, clip)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            yield pending(
                item,
                files={SOUND: wav_bytes(wave, _rate(context))},
                columns={"kind": kind, "duration": clip.seconds},
                content={"kind": kind},
            )


class ReferenceAudioLatents(Stage):
    """Latents of the reference sounds."""

    name: ClassVar[str] = COLUMN

    def needed(self, context: Context) -> bool:
        """A mode that reads this column."""
        return COLUMN in context.config.training_strategy.columns

    def section(self, context: Context) -> dict[str, Any]:
        """Precision of storage."""
        return {"dtype": context.config.dataset.latents_dtype}

    def fingerprint(self, context: Context) -> str:
        """The audio autoencoder and its mel front end."""
        return context.info.fingerprint("audio_vae", "audio_processor")

    def items(self, context: Context) -> list[Item]:
        """One per reference sound, keyed by its bytes and duration."""
        clips = {clip.clip_id: clip for clip in kept_clips(context)}
        found = []
        for item, row in context.results("audio_references"):
            if row.ok:
                clip = clips[item.clip_id]
                key = self.key(context, [row.content_digest, repr(clip.seconds)])
                found.append(Item(key, clip.clip_id, clip.name, (row.row_key,), (clip, row)))
        return found

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Encode the stored sound."""
        from ltx_core.encoding.audio import encode_audio
        from ltx_core.media.audio import read_audio

        codec, dtype = context.models.audio(), context.config.dataset.latents_dtype
        for item in items:
            clip, row = item.payload
            wave = read_audio(context.store.file(row, SOUND), 0.0, clip.seconds, codec.mel.sample_rate)
            assert wave is not None  # written by the stage before
            latents = encode_audio(codec, wave, clip.seconds, dtype)
            yield pending(item, tensors={"latents": latents}, columns={"duration": clip.seconds})


def audio_reference_use(context: Context) -> Use:
    """The kind of the reference sounds, with its options."""
    options = context.config.dataset.audio_references
    stated = options.kind or (FILE if is_given(context, GIVEN) else AUDIO_DEFAULT)
    return Use("dataset.audio_references", AUDIO_REFERENCES[stated], options)


def _inputs(context: Context, clip: Clip) -> list[str]:
    """Digests of what a clip's reference is made of."""
    if audio_reference_use(context).kind.name != FILE:
        return [clip.sound]
    given = clip.file.side.get(GIVEN)
    return [clip.clip_id, repr(clip.seconds), *([""] if given is None else [given.digest, *clip.late])]


def _rate(context: Context) -> int:
    scale = context.info.audio_scale
    return 16000 if scale is None else scale.sample_rate


def _silence(context: Context) -> dict[str, Any]:
    audio = context.config.dataset.audio
    return {
        "silent_below": audio.silent_below,
        "silence": silence_is_kept(context) or audio.missing == "zeros",
    }


def _own(context: Context, clip: Clip) -> NDArray[np.float32]:
    """A clip's own sound, changed.

    Raises:
        MediaError: when it has none, in a mode that needs it.
    """
    import numpy as np

    from ltx_core.media.errors import MediaError

    use, rate = audio_reference_use(context), _rate(context)
    wave = context.models.sound(clip, rate)
    reason = no_sound(wave, context.config.dataset.audio.silent_below)
    if reason and not _silence(context)["silence"]:
        raise MediaError(reason, clip.path)
    if wave is None or reason:  # the clip is kept for its video: its reference is silent as it is
        return np.zeros((2, round(clip.seconds * rate)), np.float32)
    assert use.kind.make is not None  # a given file is cut instead
    made: NDArray[np.float32] = use.kind.make(wave, rate, use.options, kind_work(context, use, clip.clip_id))
    return made


def _given(context: Context, clip: Clip) -> NDArray[np.float32]:
    """The clip's stretch of the file that the dataset file gives.

    Raises:
        MediaError: when there is none, or it ends before the clip.
    """
    from ltx_core.media.audio import read_audio, time_origin
    from ltx_core.media.errors import MediaError
    from ltx_core.media.probe import probe

    end = clip.time + clip.seconds
    with given_file(clip, GIVEN) as path:
        wave = read_audio(path, time_origin(path) + clip.time, clip.seconds, _rate(context))
        if wave is None:
            raise MediaError("no audio stream", path)
        seconds = probe(path).duration
        if seconds < end - AS_LONG:
            raise MediaError(
                f"ends at {seconds:.2f} s, its clip at {end:.2f} s: a reference is as long as its target",
                path,
            )
    return wave
