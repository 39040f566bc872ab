"""A file of the torture folder, what is expected of it, and the frames that its films show.

Every film shows the number of each frame as eight bright or dark blocks along its top, so that a reader can
be held to exact frames; below, a colour changes slowly from frame to frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

BITS = 8
DARK, BRIGHT = 80, 170
"""Of the blocks: near enough that a change of number is no cut."""
FRAMES = 48
RATE = 24


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes:
        name: relative to the folder.
        make: writes it to a path.
        outcome: `used` gives clips, `short` is readable and too short for the buckets, `rejected` is set
            aside by a stage, `again` holds what an earlier file holds, `ignored` is no media.
        facts: columns of its `sources` row, numbers within a hundredth.
        reason: regular expression that its reason matches, where it is set aside.
        stage: that sets it aside: `sources`, or `scenes` where only decoding tells.
        counted: whether its frames show their numbers from 0 on.
        first: number that its first frame shows.
    """

    name: str
    make: Callable[[Path], None]
    outcome: Literal["used", "short", "rejected", "again", "ignored"] = "used"
    facts: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    stage: Literal["sources", "scenes"] = "sources"
    counted: bool = False
    first: int = 0


def picture(number: int, width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """The frame `number`, uint8 `[height, width, 3]`: its number above, a slowly changing colour below."""
    image = np.empty((height, width, 3), np.uint8)
    step = abs(number % 128 - 64)  # to and fro: no jump that would be a cut
    image[:] = (90 + step, 60, 160 - step)
    edges = [width * bit // BITS for bit in range(BITS + 1)]
    for bit in range(BITS):
        image[: height // 4, edges[bit] : edges[bit + 1]] = BRIGHT if number >> bit & 1 else DARK
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    """The number that a frame shows, at any size."""
    height, width = image.shape[:2]
    row = height // 8
    places = [width * (2 * bit + 1) // (2 * BITS) for bit in range(BITS)]
    return sum(int(image[row, place].mean() > (BRIGHT + DARK) / 2) << bit for bit, place in enumerate(places))


def tone(
    seconds: float, rate: int = 16000, hertz: float = 330.0, amplitude: float = 0.4
) -> NDArray[np.float32]:
    """A stereo tone `[2, S]`."""
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, wave]).astype(np.float32)


def once(text: bytes | str) -> Callable[[Path], None]:
    """Writes these bytes, or this text."""
    data = text.encode() if isinstance(text, str) else text
    return lambda path: _write(path, data)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
