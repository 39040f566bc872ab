"""A caption made of measured facts, without a model: colours, outline, movement, sound.

Design choices
- Plain words that a person can check against the clip; what cannot be measured is not said.
- An object is what differs from the middle colour of its row of pixels, where that is a fair part of the
  picture. Without one, the caption names the picture's main colour and the movement of the whole picture.
- Everything is a function of frames and sound: no draws, no dates.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.captioning.describe_sound import sound_facts
from ltx_core.curation.captioning.describe_words import paragraph

Frames = NDArray[np.uint8]
Masks = NDArray[np.bool_]
COLOURS = {
    "red": (225, 40, 40),
    "orange": (240, 140, 30),
    "yellow": (235, 215, 40),
    "green": (40, 190, 60),
    "teal": (30, 110, 115),
    "cyan": (60, 210, 220),
    "blue": (50, 80, 230),
    "purple": (160, 50, 200),
    "pink": (245, 150, 190),
    "brown": (115, 80, 45),
    "white": (245, 245, 245),
    "grey": (128, 128, 128),
    "dark": (20, 20, 22),
}
"""Named colours; a pixel has the name of the nearest one in CIELAB."""
TONES = ("white", "grey", "dark")
"""Names without a hue: an object has one of them only where no hue covers a quarter of it."""
OBJECT_DISTANCE = 40.0
"""Euclidean RGB distance to the row's median from which a pixel belongs to the object."""
OBJECT_SHARE = (0.005, 0.4)
"""Smallest and largest part of the picture that counts as one object."""
MOVES_FROM = 0.06
"""Way over the clip, as a share of the picture's side, from which something moves."""
GROWS_FROM = 1.35
"""Ratio of the diameters at the end and the start from which something grows."""


@dataclass(frozen=True)
class Facts:
    """What was measured. Ways are shares of the picture's width and height, downwards and to the right."""

    colour: str
    outline: str
    motion: str
    background: str
    sound: str
    object_share: float
    way_x: float
    way_y: float
    growth: float
    loudness_dbfs: float | None
    pitch_hz: float | None


def describe(
    frames: Frames,
    fps: float,
    wave: NDArray[np.float32] | None,
    rate: int,
    style: Literal["phrase", "paragraph"] = "phrase",
) -> tuple[str, dict[str, Any]]:
    """A caption such as "a yellow shape moves left on a dark background, low hum", and its facts.

    Args:
        frames: uint8 `[F, H, W, 3]`, RGB.
        fps: frames per second.
        wave: sound `[2, S]`, or None.
        rate: samples per second of `wave`.
        style: one phrase, or a paragraph of sentences as LTX-2's prompts are written.

    Returns:
        The caption and what it was made of, JSON-able, with the clip's duration in seconds.
    """
    masks = _object_masks(frames)
    share = float(masks.mean())
    if OBJECT_SHARE[0] <= share <= OBJECT_SHARE[1] and masks.any(axis=(1, 2)).mean() > 0.5:
        facts = _object_facts(frames, masks)
        text = (
            f"a {facts['colour']} {facts['outline']} {facts['motion']} on a {facts['background']} background"
        )
    else:
        facts = _picture_facts(frames)
        text = f"a {facts['background']} picture {facts['motion']}"
    sound, level, hertz = sound_facts(wave, rate)
    measured = Facts(**facts, object_share=round(share, 4), sound=sound, loudness_dbfs=level, pitch_hz=hertz)
    if style == "paragraph":
        text = paragraph(text, frames, wave, sound, rate)
    elif sound:
        text = f"{text}, {sound}"
    return text, {**asdict(measured), "seconds": round(len(frames) / fps, 4)}


def _object_masks(frames: Frames) -> Masks:
    values = frames.astype(np.float32)
    ground = np.median(values, axis=2, keepdims=True)
    return np.asarray(np.sqrt(np.square(values - ground).sum(axis=3)) > OBJECT_DISTANCE)


def _object_facts(frames: Frames, masks: Masks) -> dict[str, Any]:
    way_x, way_y, growth = _object_motion(masks)
    return {
        "colour": _colour_name(frames[masks]),
        "outline": _outline(masks),
        "background": _colour_name(frames[~masks], prefer_hue=False),
        "motion": _motion_words(way_x, way_y, growth),
        "way_x": round(way_x, 4),
        "way_y": round(way_y, 4),
        "growth": round(growth, 4),
    }


def _picture_facts(frames: Frames) -> dict[str, Any]:
    way_x, way_y = _picture_motion(frames)
    return {
        "colour": "",
        "outline": "",
        "background": _colour_name(frames.reshape(-1, 3), prefer_hue=False),
        "motion": _motion_words(way_x, way_y, 1.0),
        "way_x": round(way_x, 4),
        "way_y": round(way_y, 4),
        "growth": 1.0,
    }


def _colour_name(pixels: NDArray[np.uint8], prefer_hue: bool = True) -> str:
    """The name that most pixels `[N, 3]` bear; hues before black, grey and white where asked for."""
    import cv2

    names = list(COLOURS)
    palette = np.array(list(COLOURS.values()), np.uint8)
    step = max(1, len(pixels) // 20_000)
    both = np.concatenate([palette, pixels[::step]])[None].astype(np.float32) / 255
    lab = cv2.cvtColor(both, cv2.COLOR_RGB2LAB)[0]
    points = lab[len(names) :]
    nearest = np.square(points[:, None] - lab[None, : len(names)]).sum(axis=2).argmin(axis=1)
    share = np.bincount(nearest, minlength=len(names)) / max(len(points), 1)
    hues = [number for number, name in enumerate(names) if name not in TONES]
    if prefer_hue and share[hues].sum() >= 0.25:
        # Vivid pixels count more: where colours blend with white at their edges, the blend has other names.
        vivid = np.bincount(nearest, np.square(points[:, 1:]).sum(axis=1), minlength=len(names))
        return names[max(hues, key=lambda number: vivid[number])]
    return names[int(share.argmax())]


def _object_motion(masks: Masks) -> tuple[float, float, float]:
    """Way of the centre along x and y over the clip, and the growth of the diameter, from straight lines."""
    frames, height, width = masks.shape
    area = masks.sum(axis=(1, 2)).astype(np.float64)
    seen = np.flatnonzero(area > 0)
    if len(seen) < 2:
        return 0.0, 0.0, 1.0
    centre_x = (masks.sum(axis=1)[seen] * np.arange(width)).sum(axis=1) / area[seen] / width
    centre_y = (masks.sum(axis=2)[seen] * np.arange(height)).sum(axis=1) / area[seen] / height
    span = frames - 1
    diameter = np.sqrt(area[seen])
    slope, start = np.polyfit(seen, diameter, 1)
    first, last = max(start, 0.1 * diameter.max()), max(start + slope * span, 0.1 * diameter.max())
    ways = [float(np.polyfit(seen, centre, 1)[0] * span) for centre in (centre_x, centre_y)]
    return ways[0], ways[1], float(last / first)


def _picture_motion(frames: Frames) -> tuple[float, float]:
    """Way of the whole picture over the clip: the sum of the median optical flow between frames."""
    import cv2

    height, width = frames.shape[1:3]
    scale = min(1.0, 160 / max(height, width))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    grey = [cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), size) for frame in frames]
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    ways = [
        np.median(flow.calc(before, after, None), axis=(0, 1)) for before, after in itertools.pairwise(grey)
    ]
    total = np.sum(ways, axis=0) if ways else np.zeros(2)
    return float(total[0] / size[0]), float(total[1] / size[1])


def _motion_words(way_x: float, way_y: float, growth: float) -> str:
    farthest = max(abs(way_x), abs(way_y))
    change = max(growth, 1 / growth)
    if change >= GROWS_FROM and change - 1 > 2 * farthest:
        return "grows" if growth > 1 else "shrinks"
    if farthest < MOVES_FROM:
        return "stays still"
    if abs(way_x) >= abs(way_y):
        return "moves left" if way_x < 0 else "moves right"
    return "moves up" if way_y < 0 else "moves down"


def _outline(masks: Masks) -> str:
    """Circle, square or triangle where most frames show one clearly, else just "shape"."""
    found = [name for name in map(_frame_outline, masks) if name]
    for name in ("circle", "square", "triangle"):
        if found.count(name) > 0.6 * len(masks):
            return name
    return "shape"


def _frame_outline(mask: Masks) -> str:
    import cv2

    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return ""
    largest = max(contours, key=cv2.contourArea)
    hull = cv2.convexHull(largest)
    area = cv2.contourArea(hull)
    if area < 30 or cv2.contourArea(largest) < 0.75 * area:
        return ""
    _, radius = cv2.minEnclosingCircle(hull)
    triangle = cv2.minEnclosingTriangle(hull)[0]
    (_, sides, _) = cv2.minAreaRect(hull)
    fills = {
        "circle": area / (np.pi * radius**2),
        "square": area / max(sides[0] * sides[1], 1.0) * min(sides) / max(max(sides), 1.0),
        "triangle": area / max(triangle, 1.0),
    }
    best = max(fills, key=lambda name: fills[name])
    return best if fills[best] > 0.8 else ""
