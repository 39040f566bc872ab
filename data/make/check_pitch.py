"""Whether generated tones have the pitch of their captions: `python -m data.make.check_pitch`.

Generates clips from captions with the stock pipeline and measures the pitch of their sound. Only captions
without vertical motion are used: their pitch is to stay. Ends with 1 when a clip is off by a semitone.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import LTX2Pipeline

from data.make import shapes
from data.make.model import sizes
from data.make.shapes import Scene
from ltx_core.media.pitch import pitch

GLIDING = ("moves up", "moves down")
LIMIT = 1.0
"""Semitones."""
BATCH = 16


@dataclass(frozen=True)
class Take:
    """A generated clip: the pitch that its caption says and the one that it has, in Hz (0: none found)."""

    scene: Scene
    wanted: float
    found: float

    @property
    def semitones(self) -> float:
        """Distance of the two, with its sign; infinite without a pitch."""
        return 12 * float(np.log2(self.found / self.wanted)) if self.found > 0 else float("inf")


def choose_scenes(count: int, seed: int) -> list[Scene]:
    """`count` scenes of steady pitch, each sound as often as the others."""
    rng = np.random.default_rng(seed)
    steady = [scene for scene in shapes.scenes() if scene.motion not in GLIDING]
    mixed = [steady[i] for i in rng.permutation(len(steady))]
    by_shape = [[scene for scene in mixed if scene.shape == shape] for shape in shapes.SHAPES]
    turns = [scene for turn in zip(*by_shape, strict=True) for scene in turn]
    return [turns[number % len(turns)] for number in range(count)]


def generate(pipeline: LTX2Pipeline, captions: list[str], seed: int) -> torch.Tensor:
    """The sound of one clip for each caption, `[N, 2, samples]`."""
    _, sound = pipeline(
        prompt=captions,
        height=sizes.SIDE,
        width=sizes.SIDE,
        num_frames=sizes.FRAMES,
        frame_rate=float(sizes.FPS),
        num_inference_steps=16,
        guidance_scale=3.0,
        max_sequence_length=sizes.TOKENS,
        output_type="np",
        generator=torch.Generator().manual_seed(seed),
        return_dict=False,
    )
    return sound.float()


def measure(model: Path, clips: int, seed: int) -> list[Take]:
    """Generate `clips` clips and measure each."""
    pipeline = LTX2Pipeline.from_pretrained(model, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    chosen = choose_scenes(clips, seed)
    takes = []
    for start in range(0, clips, BATCH):
        part = chosen[start : start + BATCH]
        sound = generate(pipeline, [shapes.caption(scene) for scene in part], seed + start)
        for scene, wave in zip(part, sound.numpy(), strict=True):
            found = pitch(wave, sizes.MEL.sample_rate)
            takes.append(Take(scene, shapes.PITCHES[scene.shape], found))
    return takes


def table(takes: list[Take]) -> str:
    """One line per sound: how far the pitch is off, in semitones."""
    groups: dict[str, list[Take]] = defaultdict(list)
    for take in takes:
        groups[shapes.SOUNDS[take.scene.shape]].append(take)
    lines = [
        "| sound | Hz | clips | mean error | worst error | within a semitone |",
        "|---|---|---|---|---|---|",
    ]
    for sound, group in sorted(groups.items(), key=lambda item: item[1][0].wanted):
        off = np.abs([take.semitones for take in group])
        lines.append(
            f"| {sound} | {group[0].wanted:.0f} | {len(group)} | {off.mean():.2f} | {off.max():.2f} "
            f"| {int((off < LIMIT).sum())} of {len(group)} |"
        )
    return "\n".join(lines)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("data/model"))
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    takes = measure(arguments.model, arguments.clips, arguments.seed)
    print(table(takes))
    return int(any(abs(take.semitones) >= LIMIT for take in takes))


if __name__ == "__main__":
    sys.exit(main())
