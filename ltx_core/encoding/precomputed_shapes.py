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
        scale = info.video_scale
        widths, own = _text_widths(info)
        return cls(
            scale.time,
            scale.height,
            scale.width,
            info.video_channels,
            info.audio_channels,
            info.audio_bins,
            0.0 if info.audio_scale is None else info.audio_scale.latents_per_second,
            widths,
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


def _text_widths(info: ModelInfo) -> tuple[tuple[int, int], bool]:
    """Width of a token's features for video and for audio, and whether audio has features of its own."""
    connectors = info.config("connectors") if "connectors" in info.context_components else {}
    if connectors.get("per_modality_projections"):
        return (int(connectors["video_hidden_dim"]), int(connectors["audio_hidden_dim"])), True
    return (info.text_width, info.text_width), False
