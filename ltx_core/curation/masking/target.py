"""What a mask is made for: a clip's size, its pixels, the model's cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.geometry.grid import VideoScale

Mask = NDArray[np.float32]
"""`[F, H, W]` in [0, 1]: 1 keeps, 0 is generated."""
Frames = NDArray[np.uint8]
LTX = VideoScale(8, 32, 32)


def no_pixels() -> Frames:
    """For what is drawn and needs none."""
    raise TypeError("this target has no pixels")


@dataclass(frozen=True)
class Target:
    """A clip that gets a mask.

    Attributes:
        frames, height, width: its size.
        scale: pixels per latent, from the model.
        pixels: gives its frames, uint8 `[F, H, W, 3]`.
    """

    frames: int
    height: int
    width: int
    scale: VideoScale = LTX
    pixels: Callable[[], Frames] = no_pixels

    @property
    def size(self) -> tuple[int, int, int]:
        """Frames, height and width."""
        return self.frames, self.height, self.width
