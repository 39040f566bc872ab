"""noise: each frame with grain, for a model that removes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt, Le
from numpy.typing import NDArray

from ltx_core.curation.kinds import Kind, Work

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class NoiseOptions:
    """Strength of the grain as a share of full scale; the seed is its source, with the clip's id."""

    noise: Annotated[float, Gt(0), Le(2)] = 0.2
    seed: int = 0


def add_grain(frames: Frames, clip_id: str, strength: float, seed: int) -> Frames:
    """`frames` with Gaussian noise of standard deviation `strength` x 255, new in each frame and channel.

    It is a function of the clip's id and the seed. uint8 `[F, H, W, 3]` from uint8 `[F, H, W, 3]`.
    """
    state = hashlib.sha256(f"{clip_id}/grain/{seed}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(state[:16], "big"))
    found = np.empty_like(frames)
    for number, frame in enumerate(frames):
        grain = rng.standard_normal(frame.shape, np.float32) * np.float32(strength * 255)
        found[number] = np.clip(np.rint(frame + grain), 0, 255)
    return found


def _make(frames: Frames, options: NoiseOptions, work: Work) -> Frames:
    return add_grain(frames, work.clip_id, options.noise, options.seed)


NOISE = Kind("noise", "the clip with grain, drawn from its id and `seed`", NoiseOptions, _make)
