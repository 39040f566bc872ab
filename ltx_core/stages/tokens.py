"""Tokens of a sample of a bucket: what activations and time grow with, and what a batch is counted in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ltx_core.curation.buckets import Bucket
from ltx_core.curation.options.references import ReferenceOptions
from ltx_core.curation.referencing.scale import reference_bucket
from ltx_core.errors import ConfigError
from ltx_core.geometry.units import audio_steps, video_grid
from ltx_core.models.memory.block import Load
from ltx_core.stages.context import Context

FIRST_REFERENCE = "reference_latents"
"""The column of `dataset.references`."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of one sample of a bucket.

    Attributes:
        bucket: its name.
        video, audio: tokens of the target.
        attached_video, attached_audio: of references in front of it.
        held_video, held_audio: whether conditions give tokens of the stream levels of their own.
    """

    bucket: str
    video: int
    audio: int
    attached_video: int = 0
    attached_audio: int = 0
    held_video: bool = False
    held_audio: bool = False

    @property
    def attached(self) -> int:
        """Of both streams."""
        return self.attached_video + self.attached_audio

    @property
    def all(self) -> int:
        """Over all streams."""
        return self.video + self.audio + self.attached

    def load(self, samples: int, text: int) -> Load:
        """What a batch of so many samples brings, with a text context of `text` tokens each."""
        video, audio = self.video + self.attached_video, self.audio + self.attached_audio
        return Load(
            video=samples * video,
            audio=samples * audio,
            text=samples * text,
            video_levels=samples * (video if self.held_video else min(1, video)),
            audio_levels=samples * (audio if self.held_audio else min(1, audio)),
        )


def tokens_of(context: Context, bucket: Bucket) -> Tokens:
    """Tokens of a sample of `bucket`.

    Raises:
        ConfigError: when the bucket does not fit the model.
    """
    config, info = context.config, context.info
    strategy = config.training_strategy
    picture = sound = seen = heard = 0
    if strategy.video is not None:
        size = bucket.width, bucket.height, bucket.frames
        try:
            picture = video_grid(*size, config.dataset.fps, info.video_scale).tokens
            seen = sum(
                reference_tokens(context, bucket, name)
                for condition in strategy.video.conditions
                for name in condition.columns
                if condition.attaches
            )
        except ValueError as error:
            raise ConfigError(f"dataset.buckets {bucket}: {error}") from error
    if strategy.audio is not None and info.audio_scale is not None:
        sound = audio_steps(bucket.seconds(config.dataset.fps), info.audio_scale)
        heard = sum(sound for condition in strategy.audio.conditions if condition.attaches)
    held = {name: bool(stream.conditions) for name, stream in strategy.streams.items()}
    return Tokens(
        str(bucket), picture, sound, seen, heard, held.get("video", False), held.get("audio", False)
    )


def all_references(context: Context) -> dict[str, ReferenceOptions]:
    """Options of every reference that is configured, by its column in the dataset."""
    dataset = context.config.dataset
    return {FIRST_REFERENCE: dataset.references, **dataset.extra_references}


def reference_tokens(context: Context, bucket: Bucket, column: str) -> int:
    """Tokens that a reference of a clip in `bucket` attaches.

    Raises:
        ValueError: when its size does not fit the model.
    """
    options = all_references(context).get(column, ReferenceOptions())
    scaled = reference_bucket(bucket, options)
    fps = context.config.dataset.fps
    return video_grid(scaled.width, scaled.height, scaled.frames, fps, context.info.video_scale).tokens


def largest(tokens: Sequence[Tokens]) -> Tokens:
    """The bucket whose samples have the most tokens."""
    return max(tokens, key=lambda found: found.all)
