"""Captioned pictures and sounds: one coloured shape that moves over a background and makes a tone.

Everything is drawn in a square picture of 64 units; a `View` says how many pixels a unit has. Time is counted
in steps of 1/8 s, so that a clip of 9 frames at 8 fps shows the steps 0 to 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

UNITS = 64
STEPS_PER_SECOND = 8
CLIP_STEPS = 8
"""Steps in a clip of 9 frames: motions are drawn so that they stay in the picture for that long."""
COLOURS = {
    "red": (225, 40, 40),
    "green": (40, 190, 60),
    "blue": (50, 80, 230),
    "yellow": (235, 215, 40),
    "purple": (160, 50, 200),
    "white": (245, 245, 245),
}
SHAPES = ("circle", "square", "triangle")
MOTIONS = ("moves left", "moves right", "moves up", "moves down", "grows")
BACKGROUNDS = {"dark": (25, 25, 30), "teal": (30, 110, 115), "brown": (115, 80, 45)}
SOUNDS = {"circle": "low hum", "square": "mid tone", "triangle": "high beep"}
PITCHES = {"circle": 220.0, "square": 520.0, "triangle": 1200.0}
STYLES = ("plain", "striped", "sketch")
STRIPE = (245, 245, 245)
PAPER = (240.0, 236.0, 225.0)
DIRECTIONS = {"moves left": (-1, 0), "moves right": (1, 0), "moves up": (0, -1), "moves down": (0, 1)}

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """What is seen and heard: the words of a caption."""

    colour: str
    shape: str
    motion: str
    background: str
    style: str = "plain"


@dataclass(frozen=True)
class Take:
    """A scene and all that chance decides: one clip of it. Lengths in units, speed in units a step."""

    scene: Scene
    x: float
    y: float
    radius: float
    speed: float
    colour: tuple[int, int, int]
    background: tuple[float, float, float]
    gradient: float
    pitch: float


@dataclass(frozen=True)
class View:
    """A picture of `width` x `height` pixels whose centre square of `height` pixels is the 64 units."""

    width: int = UNITS
    height: int = UNITS
    supersample: int = 4


def scenes(style: str = "plain") -> list[Scene]:
    """All combinations of colour, shape, motion and background, in a fixed order."""
    return [
        Scene(colour, shape, motion, background, style)
        for colour in COLOURS
        for shape in SHAPES
        for motion in MOTIONS
        for background in BACKGROUNDS
    ]


def caption(scene: Scene, sound: bool = True) -> str:
    """The scene in the words of the tiny model's tokenizer, at most 16 tokens with the first one."""
    text = f"a {scene.colour} {scene.shape} {scene.motion} on a {scene.background} background"
    if sound:
        text += f", {SOUNDS[scene.shape]}"
    return text if scene.style == "plain" else f"{text}, {scene.style} style"


def draw_take(scene: Scene, rng: np.random.Generator) -> Take:
    """Chance decides size (8 to 12), speed (2 to 3.2), place, tint, light and pitch (3% to either side)."""
    radius, speed = rng.uniform(8, 12), rng.uniform(2.0, 3.2)
    tint = rng.uniform(-6, 6)
    base = (
        PAPER if scene.style == "sketch" else tuple(value + tint for value in BACKGROUNDS[scene.background])
    )
    gradient = rng.uniform(0, 0.25)
    x, y = _start(scene.motion, radius, speed * CLIP_STEPS, rng)
    colour = tuple(int(np.clip(value + rng.uniform(-8, 8), 0, 255)) for value in COLOURS[scene.colour])
    pitch = PITCHES[scene.shape] * rng.uniform(0.97, 1.03)
    return Take(scene, x, y, radius, speed, colour, base, gradient, pitch)


def _start(motion: str, radius: float, way: float, rng: np.random.Generator) -> tuple[float, float]:
    """A place from which a way of `way` units stays inside."""
    low, high = radius + 2, UNITS - radius - 2
    if motion == "grows":
        return rng.uniform(20, UNITS - 20), rng.uniform(20, UNITS - 20)
    place = [rng.uniform(low, high), rng.uniform(low, high)]
    axis = 0 if motion in ("moves left", "moves right") else 1
    if motion in ("moves left", "moves up"):
        place[axis] = rng.uniform(min(low + way, high), high)
    else:
        place[axis] = rng.uniform(low, max(low, high - way))
    return place[0], place[1]


def place_at(take: Take, step: float) -> tuple[float, float, float]:
    """Centre x, centre y and radius at `step`. At the margin, the shape stops."""
    if take.scene.motion == "grows":
        room = min(take.x, take.y, UNITS - take.x, UNITS - take.y) - 2
        return take.x, take.y, min(5 + take.radius * step / CLIP_STEPS, max(room, 5 + take.radius))
    along_x, along_y = DIRECTIONS[take.scene.motion]
    low, high = take.radius + 2, UNITS - take.radius - 2
    x = float(np.clip(take.x + along_x * take.speed * step, low, high))
    y = float(np.clip(take.y + along_y * take.speed * step, low, high))
    return x, y, take.radius


def frame(take: Take, step: float, view: View) -> Image:
    """The picture at `step`: uint8 `[height, width, 3]`, RGB."""
    scale = view.height * view.supersample / UNITS
    canvas = _backdrop(take, view)
    x, y, radius = place_at(take, step)
    left = (view.width - view.height) * view.supersample / 2
    centre = (x * scale + left, y * scale)
    _paint(canvas, take, _outline(take.scene.shape, centre, radius * scale), centre[1], scale)
    return np.asarray(cv2.resize(canvas, (view.width, view.height), interpolation=cv2.INTER_AREA), np.uint8)


def render(take: Take, frames: int = CLIP_STEPS + 1, view: View | None = None) -> Image:
    """The first `frames` frames at 8 fps: uint8 `[frames, height, width, 3]`."""
    chosen = view or View()
    return np.stack([frame(take, step, chosen) for step in range(frames)])


def _backdrop(take: Take, view: View) -> Image:
    height, width = view.height * view.supersample, view.width * view.supersample
    light = np.linspace(1 - take.gradient, 1 + take.gradient, height)[:, None, None]
    flat = np.asarray(take.background)[None, None] * light * np.ones((1, width, 1))
    return np.clip(flat, 0, 255).astype(np.uint8)


def _outline(shape: str, centre: tuple[float, float], radius: float) -> NDArray[np.int32]:
    """The corners of the shape in canvas pixels, `[corners, 2]`."""
    if shape == "circle":
        angles, size = np.linspace(0, 2 * np.pi, 40, endpoint=False), radius
    elif shape == "square":
        angles, size = np.pi / 4 + np.arange(4) * np.pi / 2, radius * 0.88 * 2**0.5
    else:
        angles, size = np.array((-np.pi / 2, np.pi / 6, 5 * np.pi / 6)), radius * 1.15
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * size + np.asarray(centre)
    return np.round(corners).astype(np.int32)


def _paint(canvas: Image, take: Take, outline: NDArray[np.int32], middle: float, scale: float) -> None:
    if take.scene.style == "sketch":
        cv2.polylines(canvas, [outline], True, (15, 15, 15), int(2.2 * scale), cv2.LINE_AA)
        return
    if take.scene.style == "plain":
        cv2.fillPoly(canvas, [outline], take.colour, cv2.LINE_AA)
        return
    cover = np.zeros(canvas.shape[:2], np.uint8)
    cv2.fillPoly(cover, [outline], 255, cv2.LINE_AA)
    rows = (np.arange(canvas.shape[0]) - middle) / scale
    coloured = (((rows + 300) // 4) % 2 == 0)[:, None, None]
    fill = np.where(coloured, np.asarray(take.colour), np.asarray(STRIPE))
    share = cover[..., None] / 255.0
    canvas[:] = (canvas * (1 - share) + fill * share).astype(np.uint8)


def tone(take: Take, seconds: float, rate: int) -> NDArray[np.float32]:
    """The scene's sound, `[2, samples]`: pitch by shape, glide by vertical and pan or swell by other motion.

    The changes take one second, which is what a clip of 9 frames at 8 fps holds; after that the sound stays.
    """
    time = np.arange(round(seconds * rate)) / rate
    done = np.minimum(time, 1.0)
    glide = {"moves up": 0.5, "moves down": -0.33}.get(take.scene.motion, 0.0)
    phase = 2 * np.pi * np.cumsum(take.pitch * (1 + glide * done)) / rate
    wave = 0.5 * np.sin(phase) + 0.12 * np.sin(2 * phase)
    left = right = np.ones_like(time)
    if take.scene.motion == "moves left":
        left, right = 0.15 + 0.85 * done, 1 - 0.85 * done
    elif take.scene.motion == "moves right":
        left, right = 1 - 0.85 * done, 0.15 + 0.85 * done
    elif take.scene.motion == "grows":
        left = right = 0.1 + 0.9 * done
    return np.stack([wave * left, wave * right]).astype(np.float32)
