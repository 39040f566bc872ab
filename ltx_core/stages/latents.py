"""latents and audio_latents: each clip's frames and sound as latents of the model's autoencoders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from ltx_core.curation.buckets import Bucket
from ltx_core.models.tiling.cut import encode_cut
from ltx_core.stages.base import Item, Stage, pending, precisions, rejected, unusable
from ltx_core.stages.clip import Clip
from ltx_core.stages.context import Context
from ltx_core.stages.scores import kept_clips
from ltx_core.store.rows import PendingRow


def clip_items(context: Context, stage: Stage) -> list[Item]:
    """One item per usable clip, keyed by what decides its frames and by how they are cut for encoding."""
    return [
        Item(
            stage.key(context, [clip.pixels, *cut_marks(context, clip.bucket)]),
            clip.clip_id,
            clip.name,
            (clip.row_key,),
            clip,
        )
        for clip in kept_clips(context)
    ]


def cut_marks(context: Context, bucket: Bucket) -> list[str]:
    """What of a bucket's key says that its clips are encoded in pieces; nothing where they are not."""
    if "vae" not in context.info.components:
        return []
    options = context.config.acceleration
    size = (bucket.frames, bucket.height, bucket.width)

    def marks() -> list[str]:
        cut = encode_cut(context.info.config("vae"), size, options.precision, options.vae_tiling)
        return [] if cut is None else [cut.mark]

    return context.memo(("cut", size), marks)


class Latents(Stage):
    """Video latents."""

    name: ClassVar[str] = "latents"

    def needed(self, context: Context) -> bool:
        """Every mode with video."""
        return context.config.training_strategy.video is not None

    def of_frames(self, context: Context) -> bool:
        """They are encoded from nothing else."""
        return True

    def section(self, context: Context) -> dict[str, Any]:
        """Precision of the model and of storage."""
        return precisions(context)

    def fingerprint(self, context: Context) -> str:
        """The video autoencoder."""
        return context.info.fingerprint("vae")

    def items(self, context: Context) -> list[Item]:
        """One per clip."""
        return clip_items(context, self)

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Encode each clip by itself: batch composition would change the numbers."""
        from ltx_core.encoding.video import encode_video
        from ltx_core.media.errors import MediaError

        codec, dtype = context.models.video(), context.config.dataset.latents_dtype
        for item in items:
            clip: Clip = item.payload
            try:
                frames = context.models.frames(clip)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            latents = encode_video(codec, frames, dtype)
            yield pending(item, tensors={"latents": latents}, columns=clip_columns(clip))


class AudioLatents(Stage):
    """Audio latents, cropped to round(latents per second x duration)."""

    name: ClassVar[str] = "audio_latents"

    def needed(self, context: Context) -> bool:
        """Every mode with audio."""
        return context.config.training_strategy.audio is not None

    def section(self, context: Context) -> dict[str, Any]:
        """Storage precision, what counts as silence, and whether silence is encoded."""
        dataset = context.config.dataset
        return {
            "dtype": dataset.latents_dtype,
            "silent_below": dataset.audio.silent_below,
            "encode_silence": dataset.audio.missing == "zeros",
        }

    def fingerprint(self, context: Context) -> str:
        """The audio autoencoder and its mel front end."""
        return context.info.fingerprint("audio_vae", "audio_processor")

    def items(self, context: Context) -> list[Item]:
        """One per clip, keyed by what decides its sound."""
        return [
            Item(self.key(context, [clip.sound]), clip.clip_id, clip.name, (clip.row_key,), clip)
            for clip in kept_clips(context)
        ]

    def compute(self, context: Context, items: Sequence[Item]) -> Iterator[PendingRow]:
        """Encode each clip's sound; a clip without sound is a rejected row, which the dataset takes up."""
        import numpy as np

        from ltx_core.encoding.audio import encode_audio
        from ltx_core.media.audio import loudness
        from ltx_core.media.errors import MediaError

        codec, dataset = context.models.audio(), context.config.dataset
        rate = codec.mel.sample_rate
        for item in items:
            clip: Clip = item.payload
            try:
                wave = context.models.sound(clip, rate)
            except MediaError as error:
                yield rejected(item, unusable(error))
                continue
            reason = no_sound(wave, dataset.audio.silent_below)
            if reason and dataset.audio.missing != "zeros":
                yield rejected(item, reason)
                continue
            if wave is None or reason:
                wave = np.zeros((2, round(clip.seconds * rate)), np.float32)
            try:
                latents = encode_audio(codec, wave, clip.seconds, dataset.latents_dtype)
            except ValueError as error:  # one frame at a high rate is shorter than a spectrum
                yield rejected(item, f"audio: {error}")
                continue
            columns = {"duration": clip.seconds, "loudness_dbfs": round(float(loudness(wave)), 3)}
            yield pending(item, tensors={"latents": latents}, columns=columns)


def no_sound(wave: Any, silent_below: float) -> str:
    """Why a clip counts as one without sound, or ""."""
    from ltx_core.media.audio import loudness

    if wave is None:
        return "no audio stream"
    level = float(loudness(wave))
    return f"silent: {level:.0f} dBFS < {silent_below:.0f} dBFS" if level < silent_below else ""


def clip_columns(clip: Clip) -> dict[str, Any]:
    """Typed columns of a clip's latents."""
    return {
        "bucket": str(clip.bucket),
        "width": clip.bucket.width,
        "height": clip.bucket.height,
        "frames": clip.bucket.frames,
        "fps": clip.fps,
        "duration": clip.seconds,
    }
