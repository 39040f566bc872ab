"""sketch: dark lines on white paper, by the colour dodge of photo editors.

Each channel is divided by its own blurred copy: where the picture is even the quotient is 1 (white, however
dark the picture is there), on the darker side of an edge it is smaller. The power `ink` makes lines darker.
The darkest channel counts, so that edges between colours of one brightness are drawn too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work

Frames = NDArray[np.uint8]
FLOOR = 12.0
"""Of 255; added on both sides of the quotient, so that grain in the dark draws no lines."""


@dataclass(frozen=True)
class SketchOptions:
    """Width of the lines in pixels of the bucket (standard deviation of the blur), and how dark they are."""

    line: Annotated[float, Gt(0)] = 2.0
    ink: Annotated[float, Gt(0)] = 4.0


def sketch(frames: Frames, line: float, ink: float) -> Frames:
    """Lines of each frame, dark on white: uint8 `[F, H, W, 3]` from uint8 `[F, H, W, 3]`."""
    import cv2

    found = np.empty_like(frames)
    for number, frame in enumerate(frames):
        bright = frame.astype(np.float32) + FLOOR
        paper = cv2.GaussianBlur(bright, (0, 0), line, borderType=cv2.BORDER_REPLICATE)
        drawn = np.minimum(bright / paper, 1).min(axis=2) ** ink
        found[number] = np.rint(drawn * 255)[..., None]
    return found


def _make(frames: Frames, options: SketchOptions, work: Work) -> Frames:
    return sketch(frames, options.line, options.ink)


SKETCH = Kind("sketch", "lines, dark on white, `line` pixels wide", SketchOptions, _make)
