"""Writes footage of mixed shapes: `python -m data.make.mixed OUT --seed 0`.

Films of 16:9, 9:16 and square with scenes of two lengths, stills of all three; a caption beside each file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from data.make import shapes
from data.make.footage import Film, Shot, choose_scenes, write_film
from data.make.shapes import View

SHAPES = {"wide": (192, 108), "tall": (108, 192), "square": (128, 128)}
"""Width and height of the films of each shape."""
STILLS = {"wide": (256, 144), "tall": (144, 256), "square": (160, 160)}
SCENE_FRAMES = (30, 18, 30, 18, 48)
"""Frames of a film's scenes at 24 per second: of 9 and of 5 frames at 8 per second, and of both."""


def make_mixed(folder: Path, films: int = 2, stills: int = 3, seed: int = 0) -> None:
    """So many films and stills of each shape, written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for shape, (width, height) in SHAPES.items():
        for number in range(1, films + 1):
            rate = 48000 if number > 1 else 0
            film = Film(f"{shape}{number}", len(SCENE_FRAMES), width, height, rate, ())
            scenes = choose_scenes(len(SCENE_FRAMES), rng)
            takes = [shapes.draw_take(scene, rng) for scene in scenes]
            shots = [Shot(take, frames) for take, frames in zip(takes, SCENE_FRAMES, strict=True)]
            write_film(folder / f"{film.stem}.mp4", film, shots)
            _caption(folder / film.stem, f"{shape} film {number}")
    for shape, (width, height) in STILLS.items():
        for number, scene in enumerate(choose_scenes(stills, rng), 1):
            take = shapes.draw_take(scene, rng)
            picture = shapes.frame(take, 0.0, View(width, height))
            Image.fromarray(picture).save(folder / f"{shape}_still{number}.png")
            _caption(folder / f"{shape}_still{number}", f"{shape} still {number}")


def _caption(path: Path, text: str) -> None:
    path.with_suffix(".txt").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make_mixed(arguments.out, seed=arguments.seed)


if __name__ == "__main__":
    main()
