"""Clips of noise for evaluations with the demo's model. Also a program, with a workspace and a folder."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from sample_cases import PROMPT, in_mode, make_base

from ltx_core.assemble import Scales
from ltx_core.config.samples import SampleSection
from ltx_core.geometry.units import audio_steps
from ltx_core.stages.batches import open_contexts, scales
from ltx_core.stages.heldout import HeldoutLoss
from ltx_core.stages.network import open_velocity
from ltx_core.store.dataset import Sample
from ltx_core.training.data import Reader
from ltx_core.training.draws import draw_seed

I2V = {
    "video": {
        "conditions": [
            {"type": "first_frame", "probability": 0.5},
            {"type": "suffix", "temporal_boundary": 1},
        ]
    },
    "audio": {"conditions": [{"type": "prefix", "temporal_boundary": 2, "probability": 0.25}]},
}
"""Two conditions that a training does not always apply, and one that it does."""
SIZES = {"wide": "96x64x17", "tall": "64x64x25"}
LEVELS = 4


def sample(name, bucket, split, **changes):
    facts = {"fps": 8.0, "duration": 2.0 if bucket == "wide" else 3.0, "has_audio": name != "h1"}
    return Sample(
        name,
        name,
        f"film {name[-1]}",
        split,
        SIZES[bucket],
        caption=PROMPT,
        caption_source="",
        **facts,
        **changes,
    )


def samples():
    heldout = [sample(f"h{number}", "wide" if number < 4 else "tall", "heldout") for number in range(6)]
    train = [sample(f"t{number}", "tall" if number % 3 else "wide", "train") for number in range(9)]
    return [*heldout, *train, sample("prior", "wide", "train", regularisation=True)]


class Clips:
    """Stands for the rows of a dataset: latents are noise named by the clip."""

    def __init__(self, context, found):
        self.context, self.samples = context, {one.clip_id: one for one in found}

    def fetch(self, clip_id, column):
        one, info = self.samples[clip_id], self.context.info
        generator = torch.Generator().manual_seed(draw_seed(clip_id, column))
        if column == "latents":
            width, height, frames = map(int, one.bucket.split("x"))
            shape = (info.video_channels, (frames - 1) // 8 + 1, height // 32, width // 32)
            return torch.randn(shape, generator=generator)
        return torch.randn(self.audio_shape(clip_id), generator=generator) if one.has_audio else None

    def fps(self, clip_id):
        return self.samples[clip_id].fps

    def audio_shape(self, clip_id):
        info = self.context.info
        return (
            info.audio_channels,
            audio_steps(self.samples[clip_id].duration, info.audio_scale),
            info.audio_bins,
        )

    def reader(self):
        return Reader(self, "latents", "audio_latents", audio_shape=self.audio_shape)


def evaluation(base, found=None, accelerator=None, **validation):
    """The evaluation of a training with the base model as it is."""
    context = in_mode(base, I2V, heldout_levels=LEVELS, **validation)
    rows = Clips(context, found or samples())
    contexts = open_contexts(base, rows, ("video", "audio"))

    def texts(clip_ids):
        one = contexts.prompt(PROMPT)
        return {name: value.expand(len(clip_ids), -1, -1) for name, value in one.items()}

    contexts.rows = Texts(base)
    return HeldoutLoss(context, rows, open_velocity(base), texts, accelerator)


class Texts:
    """Stands for the rows where texts are read alone."""

    def __init__(self, context):
        from ltx_core.stages.batches import Rows

        self.prompt = Rows(context, []).prompt


def stated_samples():
    """Four samples of three shapes: three batches."""
    dims = ((32, 32, 5), (64, 32, 5), (32, 32, 9), (32, 32, 5))
    return tuple(SampleSection(prompt=PROMPT, video_dims=one, seed=place) for place, one in enumerate(dims))


def scales_of(context) -> Scales:
    return scales(context)


def main(workspace: Path, out: Path) -> None:
    """Measure and sample as one of the processes that the environment names; process 0 writes."""
    from accelerate import Accelerator

    from ltx_core.stages.hooks import make_hooks

    accelerator = Accelerator(cpu=True)
    base = make_base(workspace)
    found = evaluation(base, accelerator=accelerator)
    rows = found.measure(7)
    context = in_mode(base, {"video": {}, "audio": {}}, samples=stated_samples())
    empty = Clips(context, [])
    contexts = open_contexts(base, empty, ("video", "audio"))
    contexts.rows = Texts(base)
    (draw,) = make_hooks(context, out, empty, open_velocity(base), contexts, accelerator)
    draw.call(100)
    name = f"rows_{accelerator.process_index}.json"
    (out / name).write_text(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
