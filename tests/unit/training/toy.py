"""A toy to train: one linear layer for both modalities. Also a program: `python toy.py FOLDER SPEC`."""

from __future__ import annotations

import itertools
import json
import math
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from ltx_core.assemble import Batch, Scales, assemble
from ltx_core.geometry.grid import AudioScale, VideoScale
from ltx_core.modes import Strategy
from ltx_core.training.data import Reader
from ltx_core.training.device import make_accelerator
from ltx_core.training.draws import draw_seed
from ltx_core.training.loop import train
from ltx_core.training.options import AccelerationOptions, CheckpointOptions, OptimizationOptions
from ltx_core.training.plan import Hook, Parts, Plan
from ltx_core.training.step import StepOptions

SCALES = Scales(VideoScale(8, 32, 32), AudioScale(16000, 160, 4))
STRATEGY = Strategy(video={"conditions": [{"type": "first_frame", "probability": 0.5}]}, audio={})
CLIPS = {f"clip{i}": "wide" if i < 5 else "tall" for i in range(8)}
SILENT = ("clip1", "clip6")
CHANNELS = 4


class ToySamples:
    """Eight clips in two buckets, two of them without sound."""

    def fetch(self, clip_id, column):
        if column == "audio_latents" and clip_id in SILENT:
            return None
        video = (CHANNELS, 2, 2, 3) if CLIPS[clip_id] == "wide" else (CHANNELS, 2, 3, 2)
        shape = video if column == "latents" else (2, 3, CHANNELS // 2)
        generator = torch.Generator().manual_seed(draw_seed(clip_id, column))
        return torch.randn(shape, generator=generator)

    def fps(self, clip_id):
        return 24.0


class ToyModel(nn.Module):
    """Velocity from the token, its level and the text; a frozen base beside the trained layer."""

    def __init__(self, dropout):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.base = nn.Linear(CHANNELS + 2, CHANNELS)
        self.layer = nn.Linear(CHANNELS + 2, CHANNELS)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
        self.base.requires_grad_(False)

    def forward(self, tokens, timesteps, context):
        text = context[:, None].expand(*tokens.shape[:2], 1)
        features = torch.cat([tokens, timesteps[..., None], text], -1)
        return self.base(features) + self.layer(self.dropout(features))


def predict_with(model, pause=0.0, bad=()):
    calls = itertools.count(1)

    def predict(tracks, inputs, timesteps, levels, contexts):
        time.sleep(pause)
        factor = math.nan if next(calls) in bad else 1.0
        return {name: factor * model(inputs[name], timesteps[name], contexts[name]) for name in tracks}

    return predict


def contexts(captions):
    values = torch.tensor([[0.0 if clip is None else int(clip[-1]) / 8] for clip in captions])
    return {"video": values, "audio": values}


def assemble_toy(batch: Batch, coins):
    return assemble(STRATEGY, batch, SCALES, coins)


def reader():
    return Reader(ToySamples(), "latents", "audio_latents", audio_shape=lambda clip: (2, 3, CHANNELS // 2))


def make(folder: Path, *, pause=0.0, bad=(), dropout=0.1, **changes):
    """(plan, parts) of a toy training; `changes` are fields of the options or the plan.

    The model takes `pause` seconds longer and returns NaN in the forward passes `bad`, counted from 1.
    """

    def take(cls):
        return {k: changes.pop(k) for k in list(changes) if k in cls.__dataclass_fields__}

    defaults = {"steps": 12, "batch_size": 2, "learning_rate": 1e-2, "caption_dropout": 0.3}
    optimization = OptimizationOptions(**defaults | take(OptimizationOptions))
    checkpoints = CheckpointOptions(**{"interval": 3} | take(CheckpointOptions))
    model = ToyModel(dropout).train()

    def export(folder, step):
        weights = {"weight": model.layer.weight.detach().clone()}
        save_file(weights, folder / "lora.safetensors", {"step": str(step)})

    defaults = {
        "buckets": CLIPS,
        "tensorboard": False,
        "identity": "toy",
        "step": StepOptions(caption_dropout=optimization.caption_dropout),
    }
    plan = Plan(folder, optimization=optimization, checkpoints=checkpoints, **defaults | changes)
    return plan, Parts(model, reader(), assemble_toy, contexts, predict_with(model, pause, bad), export)


def accelerator():
    return make_accelerator(AccelerationOptions(mixed_precision_mode="no", device="cpu", threads=1))


def run(folder: Path, hooks: list[Hook] | None = None, report=None, **changes):
    plan, parts = make(folder, **changes)
    return train(plan, parts, accelerator(), hooks or (), report), parts.model


if __name__ == "__main__":
    run(Path(sys.argv[1]), **json.loads(sys.argv[2]))
