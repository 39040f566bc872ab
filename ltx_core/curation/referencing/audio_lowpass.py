"""lowpass: a clip's sound muffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work

Wave = NDArray[np.float32]
EDGE_S = 0.1
"""Seconds of silence on either side of a sound while it is filtered, so that its ends do not meet."""


@dataclass(frozen=True)
class LowpassOptions:
    """Frequency above which the sound fades, by 12 dB an octave."""

    cutoff_hz: Annotated[float, Gt(0)] = 1000.0


def lowpass(wave: Wave, rate: int, cutoff_hz: float) -> Wave:
    """`wave` `[C, S]` muffled: frequencies above `cutoff_hz` fade by 12 dB an octave; nothing is shifted."""
    edge = max(1, round(EDGE_S * rate))
    padded = np.pad(wave.astype(np.float64), ((0, 0), (edge, edge)))
    hertz = np.fft.rfftfreq(padded.shape[1], 1 / rate)
    gain = 1 / np.sqrt(1 + (hertz / cutoff_hz) ** 4)
    found = np.fft.irfft(np.fft.rfft(padded, axis=1) * gain, padded.shape[1], axis=1)
    return np.asarray(found[:, edge:-edge], np.float32)


def _make(wave: Wave, rate: int, options: LowpassOptions, work: Work) -> Wave:
    return lowpass(wave, rate, options.cutoff_hz)


LOWPASS = Kind("lowpass", "the sound muffled: it fades above `cutoff_hz`", LowpassOptions, _make)
