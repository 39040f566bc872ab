"""pitch: a clip's sound higher or lower, as long as before.

A phase vocoder (Flanagan and Golden, 1966; with the phases of each peak's neighbours locked to it, after
Laroche and Dolson, 1999) makes the sound longer by the ratio of frequencies, then it is played faster by
it. All channels get the turn that the loudest one needs, so that what lies between left and right stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work

Wave = NDArray[np.float32]
WINDOW_S = 0.064
"""Seconds of a window, about: long enough to part tones 50 Hz from each other."""
OVERLAP = 4
"""Windows over each moment."""


@dataclass(frozen=True)
class PitchOptions:
    """Semitones up (or down, below 0)."""

    semitones: Annotated[float, Ge(-24), Le(24)] = 3.0


def shift_pitch(wave: Wave, rate: int, semitones: float) -> Wave:
    """`wave` `[C, S]` with all frequencies times 2 ** (semitones / 12): `[C, S]`.

    What would lie above half the rate is left out.
    """
    ratio = 2 ** (semitones / 12)
    if wave.shape[1] < 2 or ratio == 1:
        return wave.copy()
    size = max(64, 2 ** round(np.log2(WINDOW_S * rate)))
    longer = _stretch(wave.astype(np.float64), ratio, size)
    found = _faster(longer, ratio, wave.shape[1])
    return np.asarray(found / max(1.0, float(np.abs(found).max())), np.float32)


def _stretch(wave: NDArray[np.float64], ratio: float, size: int) -> NDArray[np.float64]:
    """`[C, S]` as `[C, about S * ratio]`, its frequencies as they were."""
    hop = size // OVERLAP
    padded = np.pad(wave, ((0, 0), (size, 2 * size)))
    count = int((padded.shape[1] - size - hop) * ratio // hop)
    out = np.zeros((len(wave), count * hop + size))
    weight = np.zeros(out.shape[1])
    window = np.hanning(size + 1)[:-1]
    turned: NDArray[np.float64] | None = None
    for number in range(count):
        at = int(number * hop / ratio)
        now, next_one = (np.fft.rfft(padded[:, s : s + size] * window, axis=1) for s in (at, at + hop))
        loudest = int(np.abs(now).sum(axis=1).argmax())
        angle = np.angle(now[loudest])
        wanted = angle if turned is None else _locked(turned, np.abs(now[loudest]), angle)
        frame = np.fft.irfft(now * np.exp(1j * (wanted - angle)), size, axis=1)
        out[:, number * hop : number * hop + size] += frame * window
        weight[number * hop : number * hop + size] += window**2
        turned = wanted + np.angle(next_one[loudest]) - angle
    out /= np.maximum(weight, 1e-3)
    start = round(size * ratio)
    return out[:, start : start + round(wave.shape[1] * ratio)]


def _locked(
    turned: NDArray[np.float64], loud: NDArray[np.float64], angle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Phases of a frame: a peak goes on from the frame before, its neighbours keep their distance to it."""
    inner = (loud[1:-1] >= loud[:-2]) & (loud[1:-1] > loud[2:])
    peaks = np.flatnonzero(inner) + 1
    if not len(peaks):
        return turned
    edges = (peaks[1:] + peaks[:-1] + 1) // 2
    owner = peaks[np.searchsorted(edges, np.arange(len(loud)), side="right")]
    return np.asarray(angle + (turned - angle)[owner], np.float64)


def _faster(wave: NDArray[np.float64], ratio: float, count: int) -> NDArray[np.float64]:
    """`[C, S]` as `count` samples, band-limited, by its spectrum; silence on either side keeps ends apart."""
    edge = max(8, wave.shape[1] // 16)
    padded = np.pad(wave, ((0, 0), (edge, edge)))
    length = round(padded.shape[1] / ratio)
    spectrum = np.fft.rfft(padded, axis=1)
    kept = np.zeros((len(wave), length // 2 + 1), complex)
    shared = min(kept.shape[1], spectrum.shape[1])
    kept[:, :shared] = spectrum[:, :shared]
    found = np.fft.irfft(kept, length, axis=1) * (length / padded.shape[1])
    start = round(edge * length / padded.shape[1])
    cut = found[:, start : start + count]
    return np.pad(cut, ((0, 0), (0, count - cut.shape[1])))


def _make(wave: Wave, rate: int, options: PitchOptions, work: Work) -> Wave:
    return shift_pitch(wave, rate, options.semitones)


PITCH = Kind("pitch", "the sound higher or lower by `semitones`, as long as before", PitchOptions, _make)
