"""Writes the demo's footage: `python -m data.make.footage OUT --seed 0`.

Films as a user has them (several scenes with hard cuts, 24 fps, stereo sound), sidecar captions, and files
that are of no use: a broken one and a very short one. The same seed gives the same pictures and sounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from data.make import shapes
from data.make.shapes import Scene, Take, View

FPS = 24
SCENE_FRAMES = (34, 48)
"""Shortest and longest scene: 1.4 to 2.0 s."""
X264 = {"crf": "18", "preset": "slow", "x264-params": "mbtree=0"}
"""Without mbtree=0, x264 reads memory that it never wrote, and the bytes differ from run to run."""
EDGE_SECONDS = 0.004
"""The sound fades in and out over this time at a cut, so that it does not click."""
COLOURS = ("red", "green", "blue", "yellow", "purple")
"""White is left out: it has no visible stripes."""


@dataclass(frozen=True)
class Film:
    """One file: `captioned` are the scenes (from 1) that get a sidecar; `rate` 0 means without sound."""

    stem: str
    scenes: int
    width: int
    height: int
    rate: int
    captioned: tuple[int, ...]


FILMS = (
    Film("morning", 8, 192, 192, 48000, tuple(range(1, 9))),
    Film("evening", 8, 192, 192, 44100, tuple(range(1, 9))),
    Film("wide", 7, 256, 192, 48000, (1, 3, 6)),
    Film("silent_film", 2, 192, 192, 0, (1, 2)),
)


@dataclass(frozen=True)
class Shot:
    """A take and how many frames of it the film shows."""

    take: Take
    frames: int


def choose_scenes(count: int, rng: np.random.Generator, style: str = "striped") -> list[Scene]:
    """`count` different scenes that use every word evenly; neighbours share neither ground nor colour."""
    vocabulary = (COLOURS, shapes.SHAPES, shapes.MOTIONS, tuple(shapes.BACKGROUNDS))
    while True:
        words = [list(_even(values, count, rng)) for values in vocabulary]
        chosen = [Scene(*choice, style) for choice in zip(*words, strict=True)]
        if len(set(chosen)) == count:
            return chosen


def _even(values: tuple[str, ...], count: int, rng: np.random.Generator) -> Iterator[str]:
    """`count` words, each round of them shuffled, never the same word twice in a row."""
    last = ""
    left = count
    while left > 0:
        order = [str(word) for word in rng.permutation(values)]
        if order[0] == last:
            order = [*order[1:], order[0]]
        yield from order[:left]
        left -= len(order)
        last = order[-1]


def write_film(path: Path, film: Film, shots: list[Shot], faststart: bool = True) -> None:
    """H.264 and, with a rate, AAC. One thread and no dates, so that the bytes depend on the input alone."""
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", options={**options, "fflags": "+bitexact"}) as out:
        video = out.add_stream("libx264", rate=FPS, options=X264)
        video.codec_context.thread_count = 1
        video.width, video.height, video.pix_fmt = film.width, film.height, "yuv420p"
        video.time_base = Fraction(1, FPS)
        sound = out.add_stream("aac", rate=film.rate, layout="stereo") if film.rate else None
        if sound is not None:
            sound.bit_rate = 96_000
        for number, picture in enumerate(_pictures(film, shots)):
            image = av.VideoFrame.from_ndarray(picture, format="rgb24")
            image.pts, image.time_base = number, Fraction(1, FPS)
            out.mux(video.encode(image))
        out.mux(video.encode(None))
        if sound is not None:
            for piece in _pieces(_sound(film, shots), film.rate):
                out.mux(sound.encode(piece))
            out.mux(sound.encode(None))


def _pictures(film: Film, shots: list[Shot]) -> Iterator[shapes.Image]:
    view = View(film.width, film.height, supersample=2)
    for shot in shots:
        for number in range(shot.frames):
            yield shapes.frame(shot.take, number * shapes.STEPS_PER_SECOND / FPS, view)


def _sound(film: Film, shots: list[Shot]) -> NDArray[np.float32]:
    """The shots' tones one after the other, each cut to the sample where its pictures end."""
    ends = np.round(np.cumsum([shot.frames for shot in shots]) * film.rate / FPS).astype(int)
    parts = []
    for shot, length in zip(shots, np.diff(ends, prepend=0), strict=True):
        wave = shapes.tone(shot.take, length / film.rate, film.rate)
        edge = round(EDGE_SECONDS * film.rate)
        ramp = np.linspace(0, 1, edge, dtype=np.float32)
        wave[:, :edge] *= ramp
        wave[:, -edge:] *= ramp[::-1]
        parts.append(wave)
    return np.concatenate(parts, axis=1)


def _pieces(wave: NDArray[np.float32], rate: int, size: int = 1024) -> Iterator[av.AudioFrame]:
    for start in range(0, wave.shape[1], size):
        piece = np.ascontiguousarray(wave[:, start : start + size])
        sound = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = rate, start, Fraction(1, rate)
        yield sound


def plan_footage(rng: np.random.Generator) -> list[tuple[Film, list[Shot]]]:
    """Every film with what it shows."""
    scenes = choose_scenes(sum(film.scenes for film in FILMS), rng)
    plan = []
    for film in FILMS:
        own, scenes = scenes[: film.scenes], scenes[film.scenes :]
        lengths = [int(rng.integers(*SCENE_FRAMES, endpoint=True)) for _ in own]
        takes = [shapes.draw_take(scene, rng) for scene in own]
        plan.append((film, [Shot(take, length) for take, length in zip(takes, lengths, strict=True)]))
    return plan


def make_footage(folder: Path, seed: int = 0) -> None:
    """All files of the demo's footage, written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for film, shots in plan_footage(rng):
        write_film(folder / f"{film.stem}.mp4", film, shots)
        for number in film.captioned:
            text = shapes.caption(shots[number - 1].take.scene, sound=film.rate > 0)
            (folder / f"{film.stem}.{number}.txt").write_text(text + "\n", encoding="utf-8")
    _write_useless(folder, rng)


def _write_useless(folder: Path, rng: np.random.Generator) -> None:
    """`blink.mp4` of 5 frames, and `broken.mp4` that ends in the middle of its data, before its index."""
    film = Film("blink", 1, 192, 192, 48000, ())
    take = shapes.draw_take(Scene("red", "circle", "moves left", "teal", "striped"), rng)
    write_film(folder / "blink.mp4", film, [Shot(take, 5)])
    whole = folder / "broken.mp4"
    write_film(whole, film, [Shot(take, 40)], faststart=False)
    whole.write_bytes(whole.read_bytes()[:6000])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write into, e.g. data/footage")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make_footage(arguments.out, arguments.seed)
    for path in sorted(arguments.out.iterdir()):
        print(f"{path.stat().st_size:>8}  {path.name}")


if __name__ == "__main__":
    main()
