"""The demo's model on random latents of its sizes: what a training step does with the real transformer."""

from __future__ import annotations

from pathlib import Path

import torch

from ltx_core.assemble import Batch, Scales, assemble
from ltx_core.models.info import ModelInfo
from ltx_core.models.ltx2 import load_transformer
from ltx_core.modes import Strategy
from ltx_core.training.draws import Draws
from ltx_core.training.step import StepOptions, prepare, training_step

INFO = ModelInfo.read(Path(__file__).parents[3] / "data" / "model")
SCALES = Scales(INFO.video_scale, INFO.audio_scale)
IDS = ("one", "two")
FRAMES, SIDE, STEPS = 3, 4, 11
"""Latent frames, latent rows and columns, audio latent steps."""


def batch(strategy: Strategy) -> Batch:
    """Random latents, and content of every column that the strategy reads."""
    draw = torch.Generator().manual_seed(0)
    video = torch.randn(2, INFO.video_channels, FRAMES, SIDE, SIDE, generator=draw)
    audio = torch.randn(2, INFO.audio_channels, STEPS, INFO.audio_bins, generator=draw)
    columns = {
        "reference_latents": torch.randn(2, INFO.video_channels, FRAMES, 2, 2, generator=draw),
        "reference_audio_latents": torch.randn(2, INFO.audio_channels, 5, INFO.audio_bins, generator=draw),
        "video_masks": torch.linspace(-0.5, 1.5, 2 * FRAMES * SIDE**2)
        .clamp(0, 1)
        .view(2, FRAMES, SIDE, SIDE),
        "audio_masks": torch.linspace(-0.5, 1.5, 2 * STEPS).clamp(0, 1).view(2, STEPS),
    }
    return Batch(
        IDS,
        video if strategy.video is not None else None,
        audio if strategy.audio is not None else None,
        fps=torch.full((2,), 8.0, dtype=torch.float64),
        columns={name: columns[name] for name in strategy.columns if name in columns},
    )


def contexts(captions):
    draw = torch.Generator().manual_seed(1)
    found = torch.randn(len(captions), 16, 64, generator=draw)
    return {"video": found, "audio": found}


def prepared(strategy: Strategy, step: int = 0, **options):
    return prepare(
        batch(strategy),
        IDS,
        Draws(7, step),
        lambda given, coins: assemble(strategy, given, SCALES, coins),
        StepOptions(**options),
    )


def backward(velocity, strategy: Strategy):
    """One step's gradients; the tracks, and the predictions with their gradients."""
    kept = {}

    def predict(*arguments):
        found = velocity(*arguments)
        for name, value in found.items():
            value.retain_grad()
            kept[name] = value
        return found

    ready = prepared(strategy)
    training_step(ready, predict, contexts, StepOptions()).total.backward()
    return ready.tracks, kept


def transformer(modalities=("video", "audio")):
    return load_transformer(INFO, modalities=modalities)
