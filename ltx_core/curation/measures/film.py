"""The observer of the source pass: everything that is measured of a film's pictures.

Design choices
- A frame is made grey once for all measures.
- Cheap measures look at every frame; the others at a grid of times (`HASH_RATE` and so on per second).
- Memory is flat: about 12 bytes per frame of 24 per second, some 3 MB for three hours.
"""

from __future__ import annotations

from array import array

import cv2
import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.measures.grid import Grid
from ltx_core.curation.measures.light import Light, Motion, small_gray
from ltx_core.curation.measures.overlay import OVERLAY_RATE, Overlay
from ltx_core.curation.measures.phash import phash
from ltx_core.curation.measures.sharpness import sharpness
from ltx_core.curation.measures.text import text_share

HASH_RATE = 8.0
"""Hashes, sharpness and motion per second."""
TEXT_RATE = 1.0
"""Looks for text per second."""


class FilmMeasures:
    """Watches one film."""

    def __init__(self) -> None:
        self._light, self._motion, self._overlay = Light(), Motion(), Overlay()
        self._samples, self._texts, self._overlays = Grid(HASH_RATE), Grid(TEXT_RATE), Grid(OVERLAY_RATE)
        self._sample_frame, self._hash, self._sharpness = array("i"), array("q"), array("f")
        self._text_frame, self._text = array("i"), array("f")

    def see(self, number: int, time: float, frame: NDArray[np.uint8]) -> None:
        """Take the frame `number`, RGB `[h, w, 3]`, shown at `time` seconds."""
        gray = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
        small = small_gray(gray)
        self._light.see(gray, small)
        if self._samples.due(time):
            self._sample_frame.append(number)
            self._motion.see(small)
            self._hash.append(phash(gray))
            self._sharpness.append(sharpness(gray))
        if self._texts.due(time):
            self._text_frame.append(number)
            self._text.append(text_share(gray))
        if self._overlays.due(time):
            self._overlay.see(number, gray)

    def result(self) -> dict[str, NDArray[np.generic]]:
        """The series, by name; `*_frame` are the numbers of the frames that were sampled.

        Every frame: `luma_mean`, `luma_high`, `change`. Every eighth of a second: `sample_frame`,
        `motion_mean`, `motion_peak`, `hash`, `sharpness`. Every second: `text_frame`, `text`. Stretches of
        8 s: `overlay_first`, `overlay_last`, `overlay`.
        """
        return {
            **self._light.result(),
            "sample_frame": np.array(self._sample_frame, np.int32),
            **self._motion.result(),
            "hash": np.array(self._hash, np.int64),
            "sharpness": np.array(self._sharpness, np.float16),
            "text_frame": np.array(self._text_frame, np.int32),
            "text": np.array(self._text, np.float16),
            **self._overlay.result(),
        }
