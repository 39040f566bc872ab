"""By how much a sound comes after what is seen, where both have sudden events that belong together.

Design choices
- Sudden changes of the picture are compared with sudden onsets of the sound at every shift up to a second.
- Most footage has no such events, or some that have nothing to do with one another: the answer is then that
  nothing is known. It is trusted where several events agree and no other shift does nearly as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.measures.sound import HOPS_PER_SECOND

FURTHEST = 1.0
"""Seconds of shift that are tried, both ways."""
NEAR = 3
"""Hops within which two events are the same (60 ms, more than a frame)."""
AWAY = 7
"""Hops from the best shift from which another one is another answer."""
FEWEST = 3
"""Events that must agree."""
LOUD = -50.0
"""dBFS that an onset must reach."""
RISE = 20.0
"""Decibels of an onset that count in full."""
LEAST_CHANGE = 0.01
"""Change of the whole picture (0 to 1) from which it may be an event."""
EVENT = 0.4
"""Strength from which something is an event."""
Series = NDArray[np.float32]


@dataclass(frozen=True)
class Sync:
    """Seconds by which the sound comes late (negative: early), and how sure that is, from 0 to 1."""

    offset: float
    confidence: float


def sync(times: Series, change: Series, level: Series, sharp: Series) -> Sync | None:
    """Compare a stretch of a film with its sound.

    Args:
        times: of its frames, in seconds from the first hop on.
        change: of each frame against the one before, 0 to 1.
        level, sharp: dBFS of each hop, see `SoundMeasures`.

    Returns:
        None where too little happens.
    """
    seen = _seen(times, change, len(level))
    heard = np.maximum(_onsets(level), _onsets(sharp))
    if len(_events(seen)) < FEWEST or len(_events(heard)) < FEWEST:
        return None
    lags = round(FURTHEST * HOPS_PER_SECOND)
    scores = _agreement(_spread(seen), _spread(heard), lags)
    best = int(scores.argmax())
    others = np.concatenate([scores[: max(0, best - AWAY)], scores[best + AWAY + 1 :]])
    second = float(others.max()) if others.size else 0.0
    if _matches(seen, heard, best - lags) < FEWEST:
        return None
    confidence = float(np.clip(scores[best] - max(second, 0.0), 0, 1))
    return Sync((best - lags) / HOPS_PER_SECOND, confidence)


def _seen(times: Series, change: Series, hops: int) -> Series:
    """Strength of the picture's sudden changes per hop: what stands out from the half second around."""
    found = np.zeros(hops, np.float32)
    for number, (time, value) in enumerate(zip(times, change, strict=True)):
        around = change[max(0, number - 6) : number + 7]
        hop = int(time * HOPS_PER_SECOND + 0.5)
        if 0 <= hop < hops and value > LEAST_CHANGE:
            found[hop] = max(found[hop], value - float(np.median(around)))
    largest = np.sort(found[found > 0])
    if not largest.size:
        return found
    # One cut is larger than all else: what three events reach counts in full.
    scale = max(float(largest[-min(FEWEST, len(largest))]), LEAST_CHANGE)
    return np.asarray(np.minimum(found / scale, 1), np.float32)


def _onsets(level: Series) -> Series:
    """Strength of the onsets: the rise over the loudest of the three hops before, in dB, from 0 to 1."""
    level = np.maximum(level, LOUD - RISE)
    padded = np.concatenate([np.repeat(level[:1], 3), level])
    before = np.maximum(np.maximum(padded[:-3], padded[1:-2]), padded[2:-1])
    rise = np.clip((level - before) / RISE, 0, 1)
    return np.where(level > LOUD, rise, 0).astype(np.float32)


def _spread(series: Series) -> Series:
    """Each event spread over its neighbours, without the mean."""
    weights = np.bartlett(2 * NEAR + 1)[1:-1]
    smooth = np.convolve(series, weights / weights.max(), mode="same")
    return np.asarray(smooth - smooth.mean(), np.float32)


def _agreement(seen: Series, heard: Series, lags: int) -> Series:
    """Correlation at the lags -lags to +lags of the sound."""
    size = 1 << (len(seen) + 2 * lags).bit_length()
    product = np.fft.irfft(np.conj(np.fft.rfft(seen, size)) * np.fft.rfft(heard, size), size)
    scale = float(np.linalg.norm(seen) * np.linalg.norm(heard)) or 1.0
    return np.asarray(np.concatenate([product[-lags:], product[: lags + 1]]) / scale, np.float32)


def _events(series: Series) -> list[int]:
    """Hops of the events, at least a fifth of a second apart."""
    found: list[int] = []
    for hop in np.flatnonzero(series > EVENT).tolist():
        if not found or hop - found[-1] >= HOPS_PER_SECOND // 5:
            found.append(hop)
    return found


def _matches(seen: Series, heard: Series, lag: int) -> int:
    """Events of the picture that a sound follows after `lag` hops; 0 where more than half have none."""
    onsets = np.array(_events(heard))
    events = [hop for hop in _events(seen) if 0 <= hop + lag < len(heard)]
    matched = sum(bool((np.abs(onsets - hop - lag) <= NEAR).any()) for hop in events)
    return matched if 2 * matched >= len(events) else 0
