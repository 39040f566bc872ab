"""PQ and HLG pictures as SDR (BT.709), after they were brought to their small size.

Design choices
- Light is measured as on a reference display, in cd/m2: PQ by ITU-R BT.2100, table 4; HLG by its inverse OETF
  and the OOTF for a display of 1000 cd/m2 (system gamma 1.2; table 5).
- SDR white is 203 cd/m2, HDR's reference white (ITU-R BT.2408): text and paper keep their brightness between
  both kinds of footage.
- Highlights from 1000 cd/m2 down are rolled off by the EETF of ITU-R BT.2390-10, 5.4.1: a Hermite spline over
  PQ values. It is applied to the largest of red, green and blue, which keeps hues. What is brighter than
  1000 cd/m2 is white.
- Colours are brought from BT.2020's primaries to BT.709's (ITU-R BT.2087); what lies outside is clipped.
- The result is coded by the inverse of BT.1886 (gamma 2.4), as a display shows BT.709 video.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Transfer = Literal["PQ", "HLG"]
Light = NDArray[np.float32]

SDR_WHITE = 203.0
SOURCE_PEAK = 1000.0
PQ_PEAK = 10000.0
HLG_GAMMA = 1.2
BT1886_GAMMA = 2.4
M1, M2 = 2610 / 16384, 2523 / 4096 * 128
C1, C2, C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
"""Constants of PQ (SMPTE ST 2084)."""
A, B, C = 0.17883277, 0.28466892, 0.55991073
"""Constants of HLG (ARIB STD-B67)."""
BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
TO_709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]],
    np.float32,
)
STEPS = 4096
"""Entries of the roll-off's table, over PQ values."""


def pq_to_light(signal: NDArray[np.floating]) -> NDArray[np.floating]:
    """Light in cd/m2 of PQ values in [0, 1]."""
    root = np.power(np.clip(signal, 0, 1), 1 / M2)
    return np.asarray(PQ_PEAK * np.power(np.maximum(root - C1, 0) / (C2 - C3 * root), 1 / M1))


def light_to_pq(light: NDArray[np.floating]) -> NDArray[np.floating]:
    """PQ values of light in cd/m2."""
    power = np.power(np.clip(np.asarray(light) / PQ_PEAK, 0, 1), M1)
    return np.asarray(np.power((C1 + C2 * power) / (1 + C3 * power), M2))


def hlg_to_scene(signal: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scene light in [0, 1] of HLG values in [0, 1]."""
    values = np.clip(signal, 0, 1)
    return np.asarray(np.where(values <= 0.5, values**2 / 3, (np.exp((values - C) / A) + B) / 12))


def roll_off(light: NDArray[np.floating]) -> NDArray[np.floating]:
    """Light of up to `SOURCE_PEAK` cd/m2 brought to at most `SDR_WHITE`: BT.2390's EETF, black at 0."""
    top = light_to_pq(np.array(SOURCE_PEAK))
    most = float(light_to_pq(np.array(SDR_WHITE)) / top)
    knee = 1.5 * most - 0.5
    value = np.minimum(light_to_pq(light) / top, 1.0)
    t = np.clip((value - knee) / (1 - knee), 0, 1)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    )
    return pq_to_light(np.where(value < knee, value, spline) * top)


def tone_map(signal: NDArray[np.floating], transfer: Transfer) -> NDArray[np.uint8]:
    """A picture of PQ or HLG values `[H, W, 3]` in [0, 1] (R, G, B of BT.2020) as SDR uint8 `[H, W, 3]`."""
    light = _display_light(signal, transfer) @ TO_709.T
    np.maximum(light, 0, out=light)
    peak = light.max(axis=-1, keepdims=True)
    sdr = np.clip(light * _gain(peak) / SDR_WHITE, 0, 1)
    return np.asarray(np.power(sdr, 1 / BT1886_GAMMA) * 255 + 0.5, np.uint8)


def _display_light(signal: NDArray[np.floating], transfer: Transfer) -> Light:
    """Light of a reference display in cd/m2, float32 `[H, W, 3]`."""
    codes = (np.clip(signal, 0, 1) * 65535 + 0.5).astype(np.uint16)
    light: Light = _table(transfer)[codes]
    if transfer == "PQ":
        return light
    brightness = np.maximum(light @ BT2020_LUMA, 1e-9)[..., None]
    return np.asarray(SOURCE_PEAK * np.power(brightness, HLG_GAMMA - 1) * light, np.float32)


@lru_cache(maxsize=2)
def _table(transfer: Transfer) -> Light:
    values = np.arange(65536) / 65535
    return (pq_to_light if transfer == "PQ" else hlg_to_scene)(values).astype(np.float32)


def _gain(peak: Light) -> Light:
    """What light is multiplied by where its largest channel is `peak`."""
    # Steps in the fourth root of light are about even to the eye, and cheaper to find than PQ's.
    place = np.power(np.minimum(peak / SOURCE_PEAK, 1), 0.25) * (STEPS - 1)
    return np.where(
        peak > SOURCE_PEAK,
        SDR_WHITE / np.maximum(peak, SOURCE_PEAK),
        _gains()[(place + 0.5).astype(np.int32)],
    ).astype(np.float32)


@lru_cache(maxsize=1)
def _gains() -> Light:
    light = SOURCE_PEAK * (np.arange(STEPS) / (STEPS - 1)) ** 4
    return np.asarray(roll_off(light) / np.maximum(light, 1e-9), np.float32).clip(0, 1)
