"""A short calibration: two blocks of the model at their real width, timed on the device both ways."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import torch

from ltx_core.models.families import family_of
from ltx_core.models.lora.adapters import add_lora
from ltx_core.models.memory.block import Load
from ltx_core.models.memory.shape import TransformerShape
from ltx_core.models.memory.work import Work, block_work
from ltx_core.models.quantise.layers import quantise
from ltx_core.models.quantise.methods import SKIP_TRANSFORMER
from ltx_core.models.stream import Stream
from ltx_core.stages.calibration import Calibration, fitted
from ltx_core.stages.context import Context
from ltx_core.stages.estimate_memory import Memory
from ltx_core.stages.settings import Settings
from ltx_core.stages.tokens import Tokens, largest

SMALLEST, LARGEST = 64, 8192
"""Tokens of a timed pass."""
ENOUGH = 0.3
"""Seconds of a pass from which no larger one is tried."""
ROUNDS = 3


def calibrate(context: Context, name: str) -> Calibration:
    """Measure on the device, called `name`; loads no file: speed does not depend on the weights' values.

    Raises:
        LtxError: when the configured device is not there.
    """
    if context.config.acceleration.threads is not None:
        torch.set_num_threads(context.config.acceleration.threads)
    device, memory = context.models.device, Memory(context, context.models.device.type == "cuda")
    model = _two_blocks(context, memory, device)
    most = largest(memory.tokens)
    sizes = _sizes(lambda count: _Passes(context, memory, model, most, count).forward(2))
    measured = [_measured(_Passes(context, memory, model, most, count)) for count in sizes]
    forward = fitted(*((work, once) for work, once, _, _ in measured))
    step = fitted(*((work, both) for work, _, both, _ in measured))
    return Calibration(name, forward, step, measured[-1][3])


def _two_blocks(context: Context, memory: Memory, device: torch.device) -> Any:
    """The model's class and sizes with two blocks and random weights, as a training has it."""
    import diffusers

    config = context.info.config("transformer")
    settings, dtype = Settings.of(context.config), context.models.dtype
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kind = getattr(diffusers, config["_class_name"])
        model = kind.from_config({**config, "num_layers": 2}).requires_grad_(False)
    if settings.method is not None:
        model.to(dtype)
        quantise(model, settings.method, SKIP_TRANSFORMER)
    model.to(device, torch.float32 if memory.full else dtype)
    if memory.full:
        return model.requires_grad_(True)
    # Of two blocks, whichever blocks and layers of them the options name.
    lora = replace(context.config.lora, layers=None, rank_pattern={}, alpha_pattern={})
    add_lora(model, lora, 0, memory.streams)
    return model


def _sizes(once: Callable[[int], float]) -> tuple[int, int]:
    """Two counts of tokens, the larger the first whose pass takes long enough to be measured."""
    count = SMALLEST
    once(count)
    while once(2 * count) < ENOUGH and 2 * count < LARGEST:
        count *= 2
    return count, 2 * count


def _measured(passes: _Passes) -> tuple[Work, float, float, float]:
    """A block's work, its seconds forward and in both directions, and per token those of the rest."""
    forward = [(passes.forward(1), passes.forward(2)) for _ in range(ROUNDS)]
    step = [(passes.step(1), passes.step(2)) for _ in range(ROUNDS)]
    once = max(median(two - one for one, two in forward), 1e-9)
    both = max(median(two - one for one, two in step), 1e-9)
    rest = max(0.0, median(one for one, _ in step) - both)
    return passes.work, once, both, rest / passes.tokens


class _Passes:
    """Passes of one sample with about `count` tokens, in the proportions of a bucket."""

    def __init__(self, context: Context, memory: Memory, model: Any, most: Tokens, count: int) -> None:
        load = most.load(1, context.info.context_tokens)
        share = count / max(1, load.video + load.audio)
        video, audio = (max(1, round(share * n)) if n else 0 for n in (load.video, load.audio))
        self.model, self.device = model, context.models.device
        self.run, self.blocks = family_of(context.info).forward, model.transformer_blocks
        self.precision = context.models.dtype
        self.tokens, shape = video + audio, memory.shape
        self.work = block_work(shape, Load(video, audio, load.text), 1)
        held = {"video": most.held_video, "audio": most.held_audio}
        self.streams = [
            self._stream(shape, name, number, load.text, held[name]) if number else None
            for name, number in (("video", video), ("audio", audio))
        ]

    def forward(self, blocks: int) -> float:
        """Seconds of a pass without gradients."""
        with torch.no_grad():
            return self._timed(blocks, backward=False)

    def step(self, blocks: int) -> float:
        """Seconds of a pass and its backward pass."""
        seconds = self._timed(blocks, backward=True)
        self.model.zero_grad(set_to_none=True)
        return seconds

    def _timed(self, blocks: int, *, backward: bool) -> float:
        self.model.transformer_blocks = self.blocks[:blocks]
        self._wait()
        began = time.perf_counter()
        kind, narrow = self.device.type, self.precision != torch.float32
        with torch.autocast(kind, self.precision, enabled=narrow and torch.is_grad_enabled()):
            outputs = self.run(self.model, *self.streams, checkpointing=0)
        if backward:
            torch.autograd.backward([out.float().square().mean() for out in outputs if out is not None])
        self._wait()
        seconds = time.perf_counter() - began
        self.model.transformer_blocks = self.blocks
        return seconds

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _stream(self, shape: TransformerShape, name: str, tokens: int, text: int, held: bool) -> Stream:
        own, channels, axes = (
            (shape.audio, shape.audio_channels, 1) if name == "audio" else (shape.video, shape.channels, 3)
        )
        width = shape.caption_width or (0 if own is None else own.text_width)
        levels = torch.full((1, tokens), 0.5, device=self.device)
        if held:
            levels[:, 0] = 0
        return Stream(
            tokens=torch.randn(1, tokens, channels, device=self.device),
            timesteps=levels if held else levels[:, :1],
            sigma=torch.full((1,), 0.5, device=self.device),
            positions=torch.rand(1, axes, tokens, 2, device=self.device),
            context=torch.randn(1, text, width, device=self.device),
        )
