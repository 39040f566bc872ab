"""What a mask over time is made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class AudioTarget:
    """A clip whose sound gets a mask.

    Attributes:
        seconds: its duration.
        step: seconds of a latent step of the model.
        rate: samples per second of its sound.
        sound: gives its sound, float32 `[2, S]`; MediaError where there is none.
    """

    seconds: float
    step: float
    rate: int
    sound: Callable[[], Wave]
