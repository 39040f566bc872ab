"""The pitch of a sound."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.audio import SILENCE_DBFS, Wave, loudness

PITCH_RANGE = (50.0, 2000.0)


def pitch(wave: Wave, rate: int) -> float:
    """Fundamental frequency in Hz of the loudest part of the sound `[C, S]`, or 0 where it has none.

    The median over blocks of 50 ms or more, of the lag at which the cumulative mean normalised difference
    first dips (de Cheveigne and Kawahara, 2002), refined on the block's spectrum.
    """
    mono = wave[int(np.argmax(np.square(wave).sum(axis=1)))].astype(np.float64) if wave.size else wave
    size = max(round(0.05 * rate), math.ceil(2.5 * rate / PITCH_RANGE[0]))
    if mono.size < size or loudness(wave) < SILENCE_DBFS:
        return 0.0
    starts = range(0, mono.size - size + 1, size // 2)
    blocks = np.stack([mono[start : start + size] for start in starts])
    power = np.square(blocks).mean(axis=1)
    loud = blocks[power >= 0.1 * power.max()]
    found = [value for value in (_block_pitch(block, rate) for block in loud) if value > 0]
    return float(np.median(found)) if found else 0.0


def _block_pitch(block: NDArray[np.float64], rate: int) -> float:
    shortest, longest = max(2, int(rate / PITCH_RANGE[1])), math.ceil(rate / PITCH_RANGE[0])
    window = block.size - longest
    padded = 1 << (2 * block.size - 1).bit_length()
    spectrum = np.fft.rfft(block, padded)
    head = np.fft.rfft(block[:window], padded)
    product = np.fft.irfft(np.conj(head) * spectrum, padded)[: longest + 1]
    energy = np.concatenate([[0.0], np.cumsum(np.square(block))])
    energies = energy[window : window + longest + 1] - energy[: longest + 1]
    difference = np.maximum(energies[0] + energies - 2 * product, 0)
    mean = np.cumsum(difference[1:]) / np.arange(1, longest + 1)
    normal = np.concatenate([[1.0], difference[1:] / np.maximum(mean, 1e-12)])
    lag = _first_dip(normal, shortest)
    return 0.0 if lag == 0 else _refine(block, rate / lag, rate)


def _first_dip(normal: NDArray[np.float64], shortest: int, threshold: float = 0.3) -> float:
    """The lag of the first local minimum below `threshold`, between samples; 0 when there is none."""
    below = np.flatnonzero(normal[shortest:-1] < threshold)
    if not below.size:
        return 0.0
    lag = shortest + int(below[0])
    while lag + 1 < normal.size - 1 and normal[lag + 1] < normal[lag]:
        lag += 1
    return lag + _parabola(normal[lag - 1], normal[lag], normal[lag + 1])


def _refine(block: NDArray[np.float64], guess: float, rate: int) -> float:
    """The spectral peak within a tone of `guess`, or `guess` where there is none inside."""
    padded = 1 << (4 * block.size).bit_length()
    level = np.log(np.abs(np.fft.rfft(block * np.hanning(block.size), padded)) + 1e-12)
    low, high = (int(guess * factor * padded / rate) for factor in (0.89, 1.12))
    high = min(high, level.size - 2)
    if high <= low + 1:
        return guess
    peak = low + int(np.argmax(level[low : high + 1]))
    if peak in (low, high) or peak < 1:
        return guess
    return float((peak + _parabola(level[peak - 1], level[peak], level[peak + 1])) * rate / padded)


def _parabola(left: float, middle: float, right: float) -> float:
    """Offset of the extremum of a parabola through three neighbours, within half a step."""
    bend = left - 2 * middle + right
    return 0.0 if bend == 0 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
