"""One picture of a clip and what is made beside it: its frames, its references, its masks over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.evaluation.browsing.pictures import overlaid, sound_picture, spread
from ltx_core.media.sheet import Strip, contact_sheet, pick_frames

Frames = NDArray[np.uint8]
Wave = NDArray[np.float32]
SHOWN = 3
"""Frames of each: the first, the middle, the last."""
LONGEST = 192
"""Pixels of a frame's longer side."""


@dataclass(frozen=True)
class Side:
    """One thing to look at.

    Attributes:
        label: what it is.
        frames: uint8 `[F, H, W, 3]`, of any size and number.
    """

    label: str
    frames: Frames


def mask_side(label: str, clip: Frames, mask: Frames) -> Side:
    """A mask over its clip: what is generated is tinted. `mask` is as stored, `[F, H, W, 3]`, white keeps."""
    return Side(label, overlaid(clip, mask))


def sound_side(label: str, wave: Wave, rate: int, kept: NDArray[np.float32] | None = None) -> Side:
    """A sound `[C, S]` as waveform and spectrogram; `kept` `[T]` in [0, 1] tints what is generated."""
    return Side(label, sound_picture(wave, rate, kept)[None])


def side_by_side(sides: Sequence[Side], shown: int = SHOWN) -> bytes:
    """A PNG of all, from left to right: the same moments of each.

    Raises:
        ValueError: when there is nothing to show.
    """
    strips = []
    longest = max((len(side.frames) for side in sides), default=0)
    for side in sides:
        still = len(side.frames) == 1
        frames = side.frames if still else side.frames[spread(len(side.frames), longest)]
        strips.append(Strip(pick_frames(frames, 1 if still else shown), side.label))
    return contact_sheet(strips, LONGEST, columns=len(strips))
