"""Writes footage whose sound and picture tell of each other: `python -m data.make.pairs OUT --seed 2`.

Films as those of `data.make.footage`, but many, plain and small, with captions that name colour, shape and
background and neither the motion nor the sound. What moves how is told by the sound alone (it glides with
vertical motion, pans with horizontal motion and swells with growth), and how it sounds by the picture.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from data.make.footage import Film, Shot, choose_scenes, write_film
from data.make.shapes import Scene, draw_take

SCENES, FRAMES, SIDE, RATE = 8, 34, 96, 48000
DRAWN_TOGETHER = 24
"""Scenes that are all different; of many more, some may come again in another take."""


def silent_caption(scene: Scene) -> str:
    """What is seen, without its motion and its sound."""
    return f"a {scene.colour} {scene.shape} on a {scene.background} background"


def make_pairs(folder: Path, films: int = 24, seed: int = 2) -> None:
    """`films` films (a multiple of 3) of 8 scenes of 1.4 s, each with a sidecar, written into `folder`.

    Raises:
        ValueError: for another number of films.
    """
    if films < 1 or films * SCENES % DRAWN_TOGETHER:
        raise ValueError(f"{films} films; their number must be a multiple of {DRAWN_TOGETHER // SCENES}")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    scenes: list[Scene] = []
    while len(scenes) < films * SCENES:
        scenes += choose_scenes(DRAWN_TOGETHER, rng, "plain")
    for number in range(films):
        film = Film(f"film{number:02d}", SCENES, SIDE, SIDE, RATE, ())
        own = scenes[number * SCENES : (number + 1) * SCENES]
        write_film(folder / f"{film.stem}.mp4", film, [Shot(draw_take(scene, rng), FRAMES) for scene in own])
        for place, scene in enumerate(own, 1):
            path = folder / f"{film.stem}.{place}.txt"
            path.write_text(silent_caption(scene) + "\n", encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--films", type=int, default=24)
    parser.add_argument("--seed", type=int, default=2)
    arguments = parser.parse_args()
    make_pairs(arguments.out, arguments.films, arguments.seed)


if __name__ == "__main__":
    main()
