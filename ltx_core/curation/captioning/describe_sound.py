"""Words for a sound, made of measured facts: loudness, pitch, brightness and how its level goes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltx_core.media.audio import is_silent, loudness
from ltx_core.media.pitch import pitch

Wave = NDArray[np.float32]
LOW_BELOW, HIGH_FROM = 350.0, 900.0
"""Hertz: below is a low hum, from the second on a high beep, between them a mid tone."""
QUIET_BELOW, LOUD_FROM = -40.0, -6.0
"""dBFS RMS below which a sound is called quiet, and from which it is called loud."""
DULL_BELOW, BRIGHT_FROM = 600.0, 2000.0
"""Hertz of the spectrum's centre of mass below which a sound is dull, and from which it is bright."""
CHANGES_FROM = 6.0
"""Decibels between the first and the last third from which a sound swells or fades."""
PAUSE_BELOW = 20.0
"""Decibels below the loudest block at which a block counts as a pause."""
BLOCKS = 24
"""Blocks whose levels are compared."""


def describe_sound(wave: Wave | None, rate: int) -> tuple[str, dict[str, Any]]:
    """A caption such as "a quiet high beep, bright, fading", and its facts, JSON-able.

    Args:
        wave: sound `[2, S]`, or None.
        rate: samples per second of `wave`.
    """
    sound, level, hertz = sound_facts(wave, rate)
    facts: dict[str, Any] = {"sound": sound, "loudness_dbfs": level, "pitch_hz": hertz}
    if wave is None or not sound:
        return "silence", {**facts, "brightness_hz": None, "course": ""}
    centre, course = _brightness(wave, rate), _course(wave)
    tone = "dull" if centre < DULL_BELOW else "bright" if centre >= BRIGHT_FROM else ""
    article = "" if sound.endswith("without a pitch") else "a "
    text = ", ".join(part for part in (f"{article}{sound}", tone, course) if part)
    return text, {
        **facts,
        "brightness_hz": round(centre, 1),
        "course": course,
        "seconds": round(wave.shape[1] / rate, 4),
    }


def sound_facts(wave: Wave | None, rate: int) -> tuple[str, float | None, float | None]:
    """Words for the sound, its level in dBFS and its pitch in Hz; no words for silence."""
    if wave is None:
        return "", None, None
    level = round(loudness(wave), 2)
    if is_silent(wave):
        return "", level, None
    hertz = round(pitch(wave, rate), 2)
    if not hertz:
        kind = "sound without a pitch"
    else:
        kind = "low hum" if hertz < LOW_BELOW else "mid tone" if hertz < HIGH_FROM else "high beep"
    strength = "quiet " if level < QUIET_BELOW else "loud " if level >= LOUD_FROM else ""
    return f"{strength}{kind}", level, hertz or None


def _brightness(wave: Wave, rate: int) -> float:
    """Centre of mass of the power spectrum in Hz."""
    spectrum = np.square(np.abs(np.fft.rfft(wave.astype(np.float64), axis=1))).sum(axis=0)
    hertz = np.fft.rfftfreq(wave.shape[1], 1 / rate)
    return float((spectrum * hertz).sum() / max(spectrum.sum(), 1e-30))


def _course(wave: Wave) -> str:
    """How the level goes over time; "" where it stays about the same."""
    blocks = np.array_split(np.square(wave, dtype=np.float64).mean(axis=0), min(BLOCKS, wave.shape[1]))
    levels = 10 * np.log10(np.array([block.mean() for block in blocks]) + 1e-12)
    paused = levels < levels.max() - PAUSE_BELOW
    if (~paused[:-1] & paused[1:]).sum() > 1 or (paused.any() and not (paused[0] or paused[-1])):
        return "with pauses"
    third = max(1, len(levels) // 3)
    change = float(levels[-third:].mean() - levels[:third].mean())
    if abs(change) < CHANGES_FROM:
        return ""
    return "swelling" if change > 0 else "fading"
