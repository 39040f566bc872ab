"""What watches the source pass: every frame of a film, decoded once, small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Observer(Protocol):
    """Sees every frame of one film in order; keeps a few bytes of each."""

    def see(self, number: int, time: float, frame: NDArray[np.uint8]) -> None:
        """Take a frame.

        Args:
            number: of the frame in the film, from 0.
            time: its presentation time in seconds.
            frame: RGB `[h, w, 3]`, at most 256 pixels wide; it is not to be kept or written to.
        """

    def result(self) -> Mapping[str, NDArray[Any]]:
        """What was measured, by name: arrays whose first axis runs over frames or samples of the film."""
