"""mono: a clip's sound from one place, for a model that makes stereo of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class MonoOptions:
    """None."""


def mono(wave: Wave) -> Wave:
    """`wave` `[C, S]` with the mean of its channels in each."""
    return np.ascontiguousarray(np.broadcast_to(wave.mean(axis=0, keepdims=True), wave.shape), np.float32)


def _make(wave: Wave, rate: int, options: MonoOptions, work: Work) -> Wave:
    return mono(wave)


MONO = Kind("mono", "the mean of left and right, in both", MonoOptions, _make)
