"""The clips that the tiny model learns from: pictures, sounds and captions, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.make import shapes
from data.make.model import sizes
from data.make.shapes import Scene
from ltx_core.media.mel import log_mel

HELD_OUT = 8
"""One combination of words in so many is never trained on."""
SPLIT_SEED = 7


@dataclass(frozen=True)
class Clips:
    """`pixels` uint8 `[N, 9, 64, 64, 3]` and `mels` float32 `[N, 2, 41, 16]` of `scenes`."""

    scenes: list[Scene]
    pixels: Tensor
    mels: Tensor

    def __len__(self) -> int:
        return len(self.scenes)


def split() -> tuple[list[Scene], list[Scene]]:
    """Plain scenes to train on, and those whose combination of words is held out."""
    every = shapes.scenes()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(every))
    held = len(every) // HELD_OUT
    return [every[i] for i in order[held:]], [every[i] for i in order[:held]]


def choose(pool: list[Scene], count: int, rng: np.random.Generator) -> list[Scene]:
    """`count` scenes of `pool` by chance."""
    return [pool[i] for i in rng.integers(0, len(pool), count)]


def restyle(chosen: list[Scene], rng: np.random.Generator) -> list[Scene]:
    """The same scenes, each in one of the styles that only the video VAE is to know."""
    return [
        Scene(scene.colour, scene.shape, scene.motion, scene.background, str(rng.choice(shapes.STYLES[1:])))
        for scene in chosen
    ]


def make_clips(chosen: list[Scene], rng: np.random.Generator) -> Clips:
    """One clip of each scene."""
    takes = [shapes.draw_take(scene, rng) for scene in chosen]
    pixels = np.stack([shapes.render(take, sizes.FRAMES) for take in takes])
    seconds = sizes.SAMPLES / sizes.MEL.sample_rate
    waves = np.stack([shapes.tone(take, seconds, sizes.MEL.sample_rate) for take in takes])
    return Clips(chosen, torch.from_numpy(pixels), log_mel(torch.from_numpy(waves), sizes.MEL))


def to_video(pixels: Tensor) -> Tensor:
    """uint8 `[N, F, H, W, 3]` to float32 `[N, 3, F, H, W]` in [-1, 1]."""
    return pixels.float().permute(0, 4, 1, 2, 3) / 127.5 - 1
