"""blur: each frame out of focus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class BlurOptions:
    """Standard deviation in pixels of the bucket."""

    blur: Annotated[float, Gt(0)] = 4.0


def blur(frames: Frames, sigma: float) -> Frames:
    """Each frame out of focus by a Gaussian of `sigma` pixels: uint8 `[F, H, W, 3]`."""
    import cv2

    found = np.empty_like(frames)
    for number, frame in enumerate(frames):
        found[number] = cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return found


def _make(frames: Frames, options: BlurOptions, work: Work) -> Frames:
    return blur(frames, options.blur)


BLUR = Kind("blur", "the clip out of focus, by a Gaussian of `blur` pixels", BlurOptions, _make)
