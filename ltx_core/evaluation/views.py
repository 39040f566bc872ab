"""Samples as the report shows them: a strip of frames or a spectrogram, a poster, a video or a sound."""

from __future__ import annotations

from ltx_core.evaluation.metrics import Frames
from ltx_core.evaluation.report import View
from ltx_core.media.audio import Wave
from ltx_core.media.sheet import pick_frames, png, side_by_side, thumbnail
from ltx_core.media.spectrogram import spectrogram
from ltx_core.media.wav import wav_bytes

STRIP_FRAMES = 9
FRAME_PIXELS = 128
"""Longer side of a frame in a strip: nine of them fill a page of 1,200 pixels."""
POSTER_PIXELS = 256


def view_of(label: str, frames: Frames, video: bytes | None = None, note: str = "") -> View:
    """A view of one sample.

    Args:
        label: "Before", "After", "Right reference", ...
        frames: uint8 `[F, H, W, 3]`.
        video: the sample's MP4, whose bytes go into the report as they are.
        note: a measured fact, such as the pitch of its sound.
    """
    strip = side_by_side([thumbnail(frame, FRAME_PIXELS) for frame in pick_frames(frames, STRIP_FRAMES)])
    poster = png(thumbnail(frames[0], POSTER_PIXELS)) if video else None
    return View(label, png(strip), video, note, poster)


def sound_view(label: str, wave: Wave, rate: int, note: str = "") -> View:
    """A view of a sound `[2, S]`: its spectrogram and a player."""
    return View(label, png(spectrogram(wave, rate)), note=note, audio=wav_bytes(wave, rate))
