"""energy: the loud or the quiet stretches of a sound, against the sound itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work
from ltx_core.curation.masking.audio_mask import AudioMask, spans_mask
from ltx_core.curation.masking.audio_target import AudioTarget, Wave
from ltx_core.media.errors import MediaError

HOP_S, WINDOW_S = 0.01, 0.05
"""Seconds from one level to the next, and those that a level is measured over."""
LOUDEST = 95
"""Percentile of the levels that counts as the sound's own loudness: a single click is not."""
FLOOR = 1e-6
"""RMS of what counts as silence in decibels: -120 dBFS."""
Span = tuple[float, float]


@dataclass(frozen=True)
class EnergyOptions:
    """Stretches by their level.

    Attributes:
        generate: the `loud` stretches, or the `quiet` ones.
        below_db: decibels below the clip's own loudness at which quiet begins.
        shortest_s: shorter stretches of either sort belong to what is around them.
    """

    generate: Literal["loud", "quiet"] = "loud"
    below_db: Annotated[float, Lt(0)] = -20.0
    shortest_s: Annotated[float, Ge(0)] = 0.1


def levels(wave: Wave, rate: int) -> NDArray[np.float64]:
    """Level of a sound `[C, S]` in decibels against its own loudness, every 10 ms.

    Raises:
        MediaError: when all of it is silent.
    """
    power = np.square(wave, dtype=np.float64).mean(axis=0)
    total = np.concatenate([[0.0], np.cumsum(power)])
    middles = (np.arange(max(1, int(power.size / rate / HOP_S))) + 0.5) * HOP_S * rate
    half = WINDOW_S * rate / 2
    first, last = (np.clip(np.round(middles + way).astype(int), 0, power.size) for way in (-half, half))
    rms = np.sqrt(np.maximum((total[last] - total[first]) / np.maximum(last - first, 1), 0))
    loudest = np.percentile(rms, LOUDEST)
    if loudest <= FLOOR:
        raise MediaError("silent: there is no level to tell loud from quiet by")
    return np.asarray(20 * np.log10(np.maximum(rms, FLOOR) / loudest), np.float64)


def energy_spans(wave: Wave, rate: int, options: EnergyOptions) -> list[Span]:
    """The stretches to generate, in seconds.

    Raises:
        MediaError: when all of it is silent.
    """
    loud = levels(wave, rate) >= options.below_db
    least = round(options.shortest_s / HOP_S)
    for value in (False, True):  # short pauses first: words belong together
        loud = _without_short(loud, value, least)
    chosen = loud if options.generate == "loud" else ~loud
    end = wave.shape[1] / rate
    return [(a * HOP_S, end if b == len(loud) else b * HOP_S) for a, b in _runs(chosen)]


def _without_short(flags: NDArray[np.bool_], value: bool, least: int) -> NDArray[np.bool_]:
    """`flags` with runs of `value` that are shorter than `least`, and not the whole, turned round."""
    found = flags.copy()
    for start, end in _runs(flags == value):
        if end - start < min(least, len(flags)):
            found[start:end] = not value
    return found


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _make(target: AudioTarget, options: EnergyOptions, work: Work) -> AudioMask:
    return spans_mask(energy_spans(target.sound(), target.rate, options), target.seconds)


ENERGY = Kind(
    "energy", "the loud or the quiet stretches, by the level against the clip's own", EnergyOptions, _make
)
