"""The scores of a clip: arithmetic on slices of its source's series, no decoding.

A score is None where it has no meaning (no sound, a picture too flat to be sharp) or nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.measures.light import STILL
from ltx_core.curation.measures.phash import NO_HASH
from ltx_core.curation.measures.sound import HOPS_PER_SECOND
from ltx_core.curation.measures.sync import sync
from ltx_core.media.audio import QUIETEST_DBFS, SILENCE_DBFS

Series = Mapping[str, NDArray[Any]]
BLACK = 0.07
"""Luma (0 to 1) that 99 of 100 pixels of a black frame do not exceed: video's black and noise."""
HASH_PLACES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where in a clip its hashes are taken."""
AROUND = 10.0
"""Seconds before and after a clip that are heard and seen too when its sound is compared with its picture."""


def picture_scores(series: Series, start: int, end: int) -> dict[str, Any]:
    """Scores of the frames `start` to `end` (end exclusive) of a film.

    Returns:
        `luma`, `luma_high`, `black_share`, `sharpness`, `motion`, `frozen_share`, `text_share`,
        `overlay_share` and `hashes` (five numbers); nothing without frames.
    """
    high = series["luma_high"][start:end].astype(np.float64)
    if not high.size:
        return {}
    return {
        "luma": float(series["luma_mean"][start:end].astype(np.float64).mean()),
        "luma_high": float(high.mean()),
        "black_share": float((high < BLACK).mean()),
        **_sampled(series, start, end),
        "text_share": _mean(_nearest(series, "text_frame", "text", start, end)),
        "overlay_share": _overlay(series, start, end),
    }


def sound_scores(series: Series, start_s: float, end_s: float) -> dict[str, Any]:
    """Scores of a stretch of a sound.

    Returns:
        `sound_dbfs`, `sound_peak`, `silence_share`, `clipped_share`; nothing for a source without sound, or
        where it could not be read.
    """
    if "sound_level" not in series or end_s > float(series["sound_until"][0]):
        return {}
    level, peak, clipped = (
        _hops(series[name], start_s, end_s, fill)
        for name, fill in (("sound_level", QUIETEST_DBFS), ("sound_peak", 0), ("sound_clipped", 0))
    )
    power = float(np.mean(10 ** (level / 10)))
    return {
        "sound_dbfs": max(QUIETEST_DBFS, 10 * float(np.log10(max(power, 1e-30)))),
        "sound_peak": float(peak.max()),
        "silence_share": float((level < SILENCE_DBFS).mean()),
        "clipped_share": float(clipped.mean()),
    }


def sync_scores(
    pictures: Series, sound: Series, start_s: float, end_s: float, ahead: float = 0.0
) -> dict[str, Any]:
    """By how many seconds a clip's sound comes late, and how sure that is: `sound_late_s`, `sound_late_sure`.

    Args:
        pictures: of a film, with the `times` of its frames.
        sound: of the film, or of the file that is given for it.
        start_s, end_s: of the clip, in seconds of the film.
        ahead: seconds of the sound at which the film is at 0.

    Returns:
        Nothing where too little happens in the clip and around it.
    """
    if "sound_level" not in sound or "change" not in pictures:
        return {}
    begin = max(0.0, start_s - AROUND, -ahead)
    finish = min(end_s + AROUND, float(sound["sound_until"][0]) - ahead)
    first, last = (int(place) for place in np.searchsorted(pictures["times"], (begin, finish)))
    if first >= last:
        return {}
    start = round((begin + ahead) * HOPS_PER_SECOND)
    levels = [
        _hops(sound[name], begin + ahead, finish + ahead, QUIETEST_DBFS).astype(np.float32)
        for name in ("sound_level", "sound_sharp")
    ]
    change = pictures["change"][first:last].astype(np.float32)
    times = np.asarray(pictures["times"][first:last] + ahead - start / HOPS_PER_SECOND, np.float32)
    found = sync(times, change, *levels)
    return {} if found is None else {"sound_late_s": found.offset, "sound_late_sure": found.confidence}


def _sampled(series: Series, start: int, end: int) -> dict[str, Any]:
    """Scores of what is looked at eight times a second. The first look of a clip has nothing before it."""
    first, last = _range(series["sample_frame"], start, end)
    motion = series["motion_mean"][first + 1 : last].astype(np.float64)
    still = series["motion_peak"][first + 1 : last].astype(np.float64) <= STILL
    sharp = _nearest(series, "sample_frame", "sharpness", start, end)
    return {
        "sharpness": _median(sharp),
        "motion": float(motion.mean()) if motion.size else None,
        "frozen_share": float(still.mean()) if still.size else None,
        "hashes": _hashes(series, start, end),
    }


def _hashes(series: Series, start: int, end: int) -> list[int]:
    """Hashes at `HASH_PLACES`: of the sampled frames that are nearest to these."""
    frames, hashes = series["sample_frame"], series["hash"]
    if not len(frames):
        return [NO_HASH] * len(HASH_PLACES)
    places = [start + share * (end - start - 1) for share in HASH_PLACES]
    return [int(hashes[int(np.abs(frames - place).argmin())]) for place in places]


def _overlay(series: Series, start: int, end: int) -> float | None:
    """The largest share of the stretches that a clip lies in, of those that could be judged."""
    inside = (series["overlay_first"] < end) & (series["overlay_last"] >= start)
    found = series["overlay"][inside].astype(np.float64)
    found = found[~np.isnan(found)]
    return float(found.max()) if found.size else None


def _nearest(series: Series, frames: str, values: str, start: int, end: int) -> NDArray[np.float64]:
    """Values of the samples in a range of frames, or of the last one before it where it holds none."""
    first, last = _range(series[frames], start, end)
    return np.asarray(series[values][min(first, max(last - 1, 0)) : last], np.float64)


def _range(frames: NDArray[Any], start: int, end: int) -> tuple[int, int]:
    first, last = np.searchsorted(frames, (start, end))
    return int(first), int(last)


def _hops(values: NDArray[Any], start_s: float, end_s: float, fill: float) -> NDArray[np.float64]:
    """The hops of a stretch; `fill` where the sound has ended."""
    first = round(start_s * HOPS_PER_SECOND)
    count = max(1, round(end_s * HOPS_PER_SECOND) - first)
    found = values[max(first, 0) : max(first + count, 0)].astype(np.float64)
    return np.pad(found, (0, count - len(found)), constant_values=fill)


def _median(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else None


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None
