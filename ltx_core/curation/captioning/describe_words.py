"""Measured facts as a paragraph: the kind of sentences that LTX-2's prompts are made of, and nothing guessed.

Sentences are added to the short phrase: how fast something moves, whether the camera does, light and colour
of the whole picture, how they change, and the sound. Each is arithmetic on pixels and samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.captioning.describe_sound import describe_sound

Frames = NDArray[np.uint8]
DARK_BELOW, BRIGHT_FROM = 60.0, 180.0
"""Mean luma (0 to 255) below which a picture is dark, and from which it is bright."""
LOW_CONTRAST, HIGH_CONTRAST = 25.0, 65.0
"""Standard deviation of luma below which contrast is low, and from which it is high."""
PALE_BELOW, VIVID_FROM = 25.0, 90.0
"""Mean difference of the largest and smallest colour value, for pale and for vivid colours."""
CHANGES_FROM = 20.0
"""Difference of mean luma between the first and the last third from which the picture gets brighter."""
STILL_BELOW, BUSY_FROM = 0.6, 12.0
"""Mean absolute difference of following frames (0 to 255): below, nothing moves; from the second on, much."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def paragraph(phrase: str, frames: Frames, wave: NDArray[np.float32] | None, sound: str, rate: int) -> str:
    """Sentences for a clip.

    Args:
        phrase: what moves where, such as "a yellow circle moves left on a dark background".
        frames: uint8 `[F, H, W, 3]`, RGB.
        wave: sound `[2, S]`, or None.
        sound: its words, "" for silence.
        rate: samples per second of `wave`.
    """
    small = frames[:, :: max(1, frames.shape[1] // 96), :: max(1, frames.shape[2] // 96)]
    sentences = [f"{phrase[0].upper()}{phrase[1:]}", _pace(small), _light(small), _course(small)]
    if sound:
        sentences.append(f"what is heard is {describe_sound(wave, rate)[0]}")
    elif wave is not None:
        sentences.append("there is no sound")
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in sentences if text)


def _pace(frames: Frames) -> str:
    if len(frames) < 2:
        return "it is a still picture"
    change = float(np.abs(np.diff(frames.astype(np.int16), axis=0)).mean())
    if change < STILL_BELOW:
        return "the camera is static and hardly anything moves"
    return "there is much movement across the picture" if change >= BUSY_FROM else "the movement is calm"


def _light(frames: Frames) -> str:
    luma = frames.astype(np.float32) @ LUMA
    level, contrast = float(luma.mean()), float(luma.std(axis=(1, 2)).mean())
    chroma = float((frames.max(axis=3).astype(np.int16) - frames.min(axis=3)).mean())
    light = "dark" if level < DARK_BELOW else "bright" if level >= BRIGHT_FROM else "evenly lit"
    between = "high" if contrast >= HIGH_CONTRAST else "low" if contrast < LOW_CONTRAST else "medium"
    colours = "pale" if chroma < PALE_BELOW else "vivid" if chroma >= VIVID_FROM else "muted"
    return f"the picture is {light}, with {between} contrast and {colours} colours"


def _course(frames: Frames) -> str:
    luma = (frames.astype(np.float32) @ LUMA).mean(axis=(1, 2))
    third = max(1, len(luma) // 3)
    change = float(luma[-third:].mean() - luma[:third].mean())
    if abs(change) < CHANGES_FROM:
        return ""
    return f"then it becomes {'brighter' if change > 0 else 'darker'}"
