"""A file's sound in short hops: loudness, peak, clipped samples, and how sharp its onsets are.

Design choices
- All of it is decoded once, at its own rate, block by block: memory is that of a second and 8 bytes per hop.
- Hops count from time 0 of the file's own time line, on which its pictures lie too: sound that starts late
  has silent hops in front.
- The loudest channel counts: a voice on one side only is no silence.
"""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.audio import QUIETEST_DBFS, Wave, sound_blocks
from ltx_core.media.errors import MediaError, MediaGoneError

HOPS_PER_SECOND = 50
"""A hop lasts 20 ms, half a frame of 24 per second."""
FULL = 0.99
"""Magnitude from which a sample is at full scale; codecs round the corners of what was clipped."""
RUN = 3
"""Samples in a row at full scale from which they count as clipped: a single peak may touch it."""
GAP = 3600.0
"""Seconds of silence between two blocks that are believed; more is a damaged time stamp."""


class SoundMeasures:
    """Takes a sound block by block."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._series = {
            name: array("f") for name in ("sound_level", "sound_sharp", "sound_peak", "sound_clipped")
        }
        self._rest: Wave | None = None
        self._before: Wave | None = None
        self._at = 0

    def take(self, begin: int, samples: Wave) -> None:
        """Take `[C, S]` samples, the first of which is number `begin`; what was there before is left out."""
        if self._rest is None or self._rest.shape[0] != samples.shape[0]:
            self._rest, self._before = np.zeros((samples.shape[0], 0), np.float32), None
        missing = begin - self._at - self._rest.shape[1]
        if missing < 0:
            samples = samples[:, -missing:]
        elif 0 < missing < GAP * self.rate:
            samples = np.pad(samples, ((0, 0), (missing, 0)))
        self._rest = np.concatenate([self._rest, np.nan_to_num(samples)], axis=1)
        if self._rest.shape[1] >= self.rate:
            self._measure()

    def result(self) -> dict[str, NDArray[np.float16]]:
        """Per hop: `sound_level` and `sound_sharp` in dBFS (of the samples and of their steps), `sound_peak`
        and `sound_clipped` (a share) from 0 to 1."""
        if self._rest is not None:
            end = self._at + self._rest.shape[1]
            hops = -(-end * HOPS_PER_SECOND // self.rate)
            self._rest = np.pad(self._rest, ((0, 0), (0, -(-hops * self.rate // HOPS_PER_SECOND) - end)))
            self._measure()
            self._rest = None
        return {name: np.array(values, np.float16) for name, values in self._series.items()}

    def _measure(self) -> None:
        """Measure the whole hops that are there."""
        assert self._rest is not None
        done = len(self._series["sound_level"])
        end = (self._at + self._rest.shape[1]) * HOPS_PER_SECOND // self.rate
        edges = [-(-hop * self.rate // HOPS_PER_SECOND) - self._at for hop in range(done, end + 1)]
        if len(edges) < 2:
            return
        part, begins = self._rest[:, : edges[-1]], np.array(edges[:-1])
        counts = np.diff(edges)
        before = part[:, :1] if self._before is None else self._before
        steps = np.diff(part, axis=1, prepend=before)
        self._before = part[:, -1:].copy()
        clipped = _in_runs(np.abs(part) >= FULL).any(axis=0)
        found = {
            "sound_level": _decibels(np.add.reduceat(np.square(part), begins, axis=1) / counts),
            "sound_sharp": _decibels(np.add.reduceat(np.square(steps), begins, axis=1) / counts),
            "sound_peak": np.minimum(np.maximum.reduceat(np.abs(part), begins, axis=1).max(axis=0), 1.0),
            "sound_clipped": np.add.reduceat(clipped.astype(np.float32), begins) / counts,
        }
        for name, values in found.items():
            self._series[name].extend(values.tolist())
        self._at += edges[-1]
        self._rest = self._rest[:, edges[-1] :]


def measure_sound(path: Path | str) -> dict[str, NDArray[np.generic]]:
    """The series of a file's sound, and `sound_until`: seconds up to which it could be read, inf for all.

    Returns:
        Nothing for a file without sound.

    Raises:
        MediaGoneError: when the file cannot be reached. Damage ends the series.
    """
    measures, until = None, np.inf
    try:
        for rate, begin, samples in sound_blocks(path):
            measures = measures or SoundMeasures(rate)
            measures.take(begin, samples)
    except MediaGoneError:
        raise
    except MediaError:
        until = 0.0
    if measures is None:
        return {}
    series: dict[str, NDArray[np.generic]] = {**measures.result()}
    if until == 0:
        until = len(series["sound_level"]) / HOPS_PER_SECOND
    return {**series, "sound_until": np.array([until], np.float32)}


def _decibels(power: NDArray[Any]) -> NDArray[np.float32]:
    """Of the loudest channel, `QUIETEST_DBFS` at least."""
    least = 10 ** (QUIETEST_DBFS / 10)
    return np.asarray(10 * np.log10(np.maximum(power.max(axis=0), least)), np.float32)


def _in_runs(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those of `[C, S]` that stand in a run of `RUN` or more."""
    if flags.shape[1] < RUN:
        return np.zeros_like(flags)
    starts = flags[:, : flags.shape[1] - RUN + 1].copy()
    for shift in range(1, RUN):
        starts &= flags[:, shift : flags.shape[1] - RUN + 1 + shift]
    out = np.zeros_like(flags)
    for shift in range(RUN):
        out[:, shift : flags.shape[1] - RUN + 1 + shift] |= starts
    return out
