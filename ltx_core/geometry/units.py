"""Conversions between pixel frames, seconds and latent units, or a refusal that names a valid value."""

from __future__ import annotations

from ltx_core.geometry.grid import AudioGrid, AudioScale, VideoGrid, VideoScale


def latent_frames(pixel_frames: int, factor: int) -> int:
    """Latent frames of `pixel_frames` = factor*k + 1 frames.

    Raises:
        ValueError: when the count is not of the form factor*k + 1.
    """
    if pixel_frames < 1 or (pixel_frames - 1) % factor:
        lower = max(1, (pixel_frames - 1) // factor * factor + 1)
        raise ValueError(
            f"{pixel_frames} frames do not fit the model: a frame count must be {factor}k+1; "
            f"use {lower} or {lower + factor}"
        )
    return (pixel_frames - 1) // factor + 1


def video_grid(width: int, height: int, frames: int, fps: float, scale: VideoScale) -> VideoGrid:
    """The grid of a clip of `width` x `height` pixels and `frames` frames.

    Raises:
        ValueError: when a size is no multiple of the model's factor, or the count is not factor*k + 1.
    """
    for name, size, factor in (("width", width, scale.width), ("height", height, scale.height)):
        if size < factor or size % factor:
            lower = max(factor, size // factor * factor)
            raise ValueError(
                f"{name} {size} does not fit the model: it must be a multiple of {factor}; "
                f"use {lower} or {lower + factor}"
            )
    return VideoGrid(
        latent_frames(frames, scale.time), height // scale.height, width // scale.width, scale, fps
    )


def audio_steps(seconds: float, scale: AudioScale) -> int:
    """Latent steps that stand for `seconds` of sound: round(latents per second * duration), at least 1."""
    return max(1, round(seconds * scale.latents_per_second))


def audio_grid(seconds: float, scale: AudioScale) -> AudioGrid:
    """The grid of `seconds` of sound."""
    return AudioGrid(audio_steps(seconds, scale), scale)
