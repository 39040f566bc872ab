"""What a file of prepared data may be, and the shapes that a model takes. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ltx_core.models.info import ModelInfo

Kind = Literal["video", "audio", "text", "video_mask", "audio_mask"]
"""What a file holds: latents of a modality, text features, or a mask of a modality's tokens."""


@dataclass(frozen=True)
class Shapes:
    """What of a model decides whether prepared data is its own.

    Attributes:
        time, height, width: pixels per video latent.
        video_channels: channels of a video latent.
        audio_channels, audio_bins: of an audio latent; 0 where the model has no audio.
        audio_rate: audio latents per second.
        text: width of a token's features for video and for audio.
        own_audio_text: whether audio has features of its own; else both read the same ones.
        text_tokens: tokens that a text context holds.
    """

    time: int
    height: int
    width: int
    video_channels: int
    audio_channels: int
    audio_bins: int
    audio_rate: float
    text: tuple[int, int]
    own_audio_text: bool
    text_tokens: int

    @classmethod
    def of(cls, info: ModelInfo) -> Shapes:
        """The shapes of a model, from its configs alone."""
        connectors, scale = info.config("connectors"), info.video_scale
        own = bool(connectors.get("per_modality_projections"))
        names = ("video_hidden_dim", "audio_hidden_dim") if own else ("caption_channels",) * 2
        return cls(
            scale.time,
            scale.height,
            scale.width,
            info.video_channels,
            info.audio_channels,
            info.audio_bins,
            0.0 if info.audio_scale is None else info.audio_scale.latents_per_second,
            (int(connectors[names[0]]), int(connectors[names[1]])),
            own,
            info.context_tokens,
        )

    def section(self, kind: Kind) -> dict[str, Any]:
        """What of it a row of `kind` depends on."""
        names = {
            "video": ("time", "height", "width", "video_channels"),
            "audio": ("audio_channels", "audio_bins", "audio_rate"),
            "text": ("text", "own_audio_text", "text_tokens"),
        }
        return {name: getattr(self, name) for name in names.get(kind, ())}
