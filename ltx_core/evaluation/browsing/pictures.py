"""Stills, overlays and pictures of sound for the pages, as small as a page needs them."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.spectrogram import spectrogram

Frames = NDArray[np.uint8]
Wave = NDArray[np.float32]

LONGEST = 320
"""Pixels of the longer side of stills and previews; a card is about as wide."""
JPEG_QUALITY = 82
TINT = (255, 120, 0)
TINTED = 0.5
"""Colour over the part of a picture that a mask gives to be generated, and its share."""
WAVEFORM_PIXELS, SOUND_WIDTH = 48, 384
WAVE_INK, WAVE_GROUND, MASKED_GROUND = (86, 180, 233), (24, 28, 34), (96, 56, 12)


def preview_size(width: int, height: int, longest: int = LONGEST) -> tuple[int, int]:
    """The size of a preview: at most `longest` pixels, never grown, sides even as H.264's colours need."""
    scale = min(1.0, longest / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def resized(frames: Frames, width: int, height: int) -> Frames:
    """Frames `[F, H, W, 3]` at another size, whatever the aspect."""
    import cv2

    if frames.shape[1:3] == (height, width):
        return frames
    out = np.empty((len(frames), height, width, 3), np.uint8)
    for number, frame in enumerate(frames):
        shrinks = height <= frame.shape[0] and width <= frame.shape[1]
        out[number] = cv2.resize(
            frame, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
    return out


def jpeg(picture: Frames) -> bytes:
    """A picture `[H, W, 3]` as the bytes of a JPEG file."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def middle(frames: Frames) -> Frames:
    """The frame in the middle: the first and the last are the likeliest to be black or cut."""
    return np.asarray(frames[len(frames) // 2], np.uint8)


def overlaid(frames: Frames, mask: Frames) -> Frames:
    """Frames `[F, H, W, 3]` with what a mask gives to be generated tinted; soft values tint less.

    Args:
        frames: the clip.
        mask: as stored, white keeps, of any size; its frames are spread over those of the clip.
    """
    keep = resized(mask, frames.shape[2], frames.shape[1])[..., :1].astype(np.float32) / 255
    share = TINTED * (1 - keep[spread(len(keep), len(frames))])
    tinted = frames * (1 - share) + np.asarray(TINT, np.float32) * share
    return tinted.round().astype(np.uint8)


def sound_picture(wave: Wave, rate: int, kept: NDArray[np.float32] | None = None) -> Frames:
    """A sound `[C, S]` as its waveform above its spectrogram, `[H, 384, 3]`.

    Args:
        wave: the samples.
        rate: of them per second.
        kept: `[T]` in [0, 1] over the whole time, 1 keeps; the rest of the waveform's ground is tinted.
    """
    return np.concatenate([waveform(wave, kept), spectrogram(wave, rate, SOUND_WIDTH, 112)])


def waveform(wave: Wave, kept: NDArray[np.float32] | None = None) -> Frames:
    """The envelope of a sound `[C, S]` in [-1, 1], `[48, 384, 3]`."""
    picture = np.empty((WAVEFORM_PIXELS, SOUND_WIDTH, 3), np.uint8)
    picture[:] = WAVE_GROUND
    if kept is not None and len(kept):
        place = np.arange(SOUND_WIDTH) * len(kept) // SOUND_WIDTH
        picture[:, kept[place] < 1] = MASKED_GROUND
    if not wave.size:
        return picture
    parts = np.array_split(np.abs(wave).max(axis=0), SOUND_WIDTH)
    peaks = np.array([part.max() if part.size else 0.0 for part in parts])
    centre = (WAVEFORM_PIXELS - 1) / 2
    reach = np.maximum(np.clip(peaks, 0, 1) * centre, 0.5)
    rows = np.abs(np.arange(WAVEFORM_PIXELS)[:, None] - centre)
    picture[rows <= reach[None]] = WAVE_INK
    return picture


def beside(pictures: list[Frames], gap: int = 6) -> Frames:
    """Clips `[F, H, W, 3]` of one height in one row; frames of a slower one are spread over the time."""
    count, height = max(len(one) for one in pictures), pictures[0].shape[1]
    columns: list[Frames] = []
    for one in pictures:
        if columns:
            columns.append(np.full((count, height, gap, 3), 255, np.uint8))
        columns.append(one[spread(len(one), count)])
    return np.concatenate(columns, axis=2)


def spread(have: int, wanted: int) -> NDArray[np.intp]:
    """Which of `have` frames each of `wanted` frames over the same time shows."""
    return np.arange(wanted) * have // wanted
