"""One training of random weights in LTX-2.3's shape by the real loop, measured in a process of its own.

`python -m benchmarks.train_case '{"steps": 4}'` prints one line of JSON; the fields are those of `Case`.
Samples are files and read ahead; records and checkpoints are written. Text contexts are there, as a training
keeps those of its captions.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
from torch import Tensor, nn

from benchmarks.memory_estimate import _forget_peak, _held, _peak
from benchmarks.one_modality import LTX23, SCALES
from benchmarks.training_speed import Bare
from ltx_core.assemble import Batch, assemble
from ltx_core.geometry.grid import DEFAULT_FPS
from ltx_core.models.compiling import compile_blocks
from ltx_core.models.lora.adapters import add_lora
from ltx_core.models.memory.block import Load
from ltx_core.models.memory.shape import transformer_shape
from ltx_core.models.memory.work import step_flops
from ltx_core.models.names import runs_with
from ltx_core.models.options import LoraOptions
from ltx_core.models.partial import leave_out
from ltx_core.models.quantise.layers import quantise
from ltx_core.models.quantise.methods import Method
from ltx_core.models.swap import swap_blocks
from ltx_core.models.velocity import Velocity
from ltx_core.modes import Strategy
from ltx_core.training.data import Reader
from ltx_core.training.device import make_accelerator
from ltx_core.training.log import read_metrics
from ltx_core.training.loop import train
from ltx_core.training.options import AccelerationOptions, CheckpointOptions, OptimizationOptions
from ltx_core.training.plan import Parts, Plan
from ltx_core.training.speed import Pace

WARM_UP = 2
"""Steps that are not counted: the first makes moments and graphs, the second general ones."""
SKIP_BLOCK = ("*norm*", "*to_gate_logits")
"""Layers of a block that stay exact."""
CLIPS, BUCKET = 8, "bucket"


@dataclass(frozen=True)
class Case:
    """A training.

    Attributes:
        grid: latent frames, rows and columns of the video.
        audio: latent steps of the sound; 0: video alone.
        text: tokens of a context.
        narrower: by how much the widths are smaller than LTX-2.3's.
        blocks, rank: of the transformer, of its LoRA.
        method, precision: how the base is stored; the latter of autocast, too.
        every, swap: which blocks recompute (`run_blocks`), and how many wait on the host.
        compile: whether blocks are compiled.
        optimizer, ema: `optimization.optimizer_type`, and whether an average of the weights is kept.
        steps, workers: that are counted; `data.num_dataloader_workers`.
        bare: whether a step without the loop follows each of the loop's, on a copy of the model.
        save: steps between checkpoints; 0: at the end.
    """

    grid: tuple[int, int, int] = (5, 6, 8)
    audio: int = 0
    text: int = 128
    narrower: int = 16
    blocks: int = 6
    rank: int = 16
    method: Method | None = None
    every: int = 0
    swap: int = 0
    compile: bool = False
    precision: Literal["no", "bf16"] = "no"
    optimizer: str = "adamw"
    ema: bool = False
    steps: int = 6
    workers: int = 2
    bare: bool = False
    save: int = 0

    @property
    def modalities(self) -> list[str]:
        """Streams that are there."""
        return ["video", "audio"] if self.audio else ["video"]

    @property
    def tokens(self) -> int:
        """Of the video."""
        frames, rows, columns = self.grid
        return frames * rows * columns

    @cached_property
    def sizes(self) -> dict[str, Any]:
        """Of the transformer."""
        widths = ("cross_attention_dim", "audio_cross_attention_dim")
        heads = max(4, 32 // self.narrower)
        found = {
            **LTX23,
            "num_layers": self.blocks,
            **{name: LTX23[name] // self.narrower for name in widths},
        }
        for prefix, size in (("", 4096), ("audio_", 2048)):
            found[f"{prefix}num_attention_heads"] = heads
            found[f"{prefix}attention_head_dim"] = size // self.narrower // heads
        return found

    @property
    def contexts(self) -> dict[str, tuple[int, int]]:
        """Shape of a sample's text context by modality."""
        widths = {"video": "cross_attention_dim", "audio": "audio_cross_attention_dim"}
        return {name: (self.text, self.sizes[widths[name]]) for name in self.modalities}

    @property
    def flops(self) -> float:
        """Operations that a step needs."""
        load = Load(self.tokens, self.audio, self.text, 1, min(1, self.audio))
        return step_flops(transformer_shape(self.sizes, self.modalities), load, full=False)


class Files:
    """Clips as files of random latents."""

    def __init__(self, folder: Path, case: Case) -> None:
        from safetensors.torch import save_file

        self.folder, draw = folder, torch.Generator().manual_seed(0)
        folder.mkdir()
        for number in range(CLIPS):
            tensors = {"latents": torch.randn(128, *case.grid, generator=draw).bfloat16()}
            if case.audio:
                tensors["audio_latents"] = torch.randn(8, case.audio, 16, generator=draw).bfloat16()
            save_file(tensors, folder / f"clip{number}.safetensors")

    def fetch(self, clip_id: str, column: str) -> Tensor | None:
        """A clip's tensor."""
        from safetensors import safe_open

        with safe_open(self.folder / f"{clip_id}.safetensors", "pt") as file:
            found: Tensor = file.get_tensor(column)
        return found

    def fps(self, clip_id: str) -> float:
        """Of every clip."""
        return float(DEFAULT_FPS)

    def column_fps(self, clip_id: str, column: str) -> float:
        """Of every column."""
        return float(DEFAULT_FPS)


def build(case: Case, device: torch.device) -> Any:
    """The transformer with its LoRA: memory is taken, filled and quantised block by block."""
    from accelerate import init_empty_weights
    from diffusers import LTX2VideoTransformer3DModel

    torch.manual_seed(0)
    with init_empty_weights():
        model = LTX2VideoTransformer3DModel(**case.sizes)
    leave_out(model, lambda name: runs_with(name, case.modalities))
    model.requires_grad_(False)
    dtype = torch.bfloat16 if case.precision == "bf16" else torch.float32
    model.to(dtype)
    host = torch.device("cpu") if case.swap else device
    for block in model.transformer_blocks:
        _fill(block, host)
        if case.method is not None:
            quantise(block, case.method, SKIP_BLOCK)
    _fill(model, host)
    add_lora(model, LoraOptions(rank=case.rank), 0, case.modalities)
    swap_blocks(model, case.swap, device)
    return model.to(device) if not case.swap else model


def _fill(module: nn.Module, device: torch.device) -> None:
    """Random weights for what has no memory yet."""
    for inner in module.modules():
        for name, value in inner._parameters.items():
            if value is not None and value.is_meta:
                filled = torch.empty_like(value, device=device).normal_(std=0.02)
                inner._parameters[name] = nn.Parameter(filled, requires_grad=False)


def run(case: Case, folder: Path) -> dict[str, Any]:
    """Train, and tell what it took."""
    cuda = torch.cuda.is_available()
    place = AccelerationOptions(mixed_precision_mode=case.precision, threads=None if cuda else 1)
    accelerator = make_accelerator(place)
    device, kind = accelerator.device, accelerator.device.type
    before = _held(kind)
    model = build(case, device)
    velocity = Velocity(model, case.every)
    compiled = case.compile and compile_blocks(model)
    plan, parts = _wired(case, folder, velocity, device)
    bare = Bare(velocity, plan.optimization) if case.bare else None

    def after(progress: Any) -> None:
        if progress.step == WARM_UP:
            _forget_peak(kind)
        if bare is not None:
            bare.after(progress)

    predict = velocity if bare is None else bare.predict
    parts = Parts(model, parts.read, parts.assemble, parts.contexts, predict, parts.export)
    train(plan, parts, accelerator, report=after)
    peak = _peak(kind) - before
    began = time.perf_counter()
    train(plan, parts, accelerator)
    found = _measured(case, read_metrics(plan.folder)[WARM_UP:])
    found |= {"peak_bytes": peak, "resume_seconds": time.perf_counter() - began, "compiled": compiled}
    if bare is not None:
        clock, processor = (times[WARM_UP:] for times in bare.times.values())
        found["clock_ratio"] = median(ours / theirs for ours, theirs in clock)
        found["ratio"] = median(ours / theirs for ours, theirs in processor)
        found["bare_seconds"] = median(theirs for _, theirs in clock)
    return found


def _wired(case: Case, folder: Path, velocity: Velocity, device: torch.device) -> tuple[Plan, Parts]:
    strategy = Strategy.model_validate({name: {} for name in case.modalities})
    reader = Reader(Files(folder / "clips", case), "latents", "audio_latents" if case.audio else None)
    contexts = {name: torch.randn(1, *shape, device=device) for name, shape in case.contexts.items()}
    options = OptimizationOptions(
        steps=case.steps + WARM_UP,
        batch_size=1,
        learning_rate=1e-4,
        optimizer_type=case.optimizer,
        ema_decay=0.999 if case.ema else None,
    )
    plan = Plan(
        folder / "run",
        {f"clip{number}": BUCKET for number in range(CLIPS)},
        options,
        CheckpointOptions(interval=case.save or None),
        ahead=case.workers,
        pace=Pace(flops={BUCKET: case.flops}),
    )

    def tracks(batch: Batch, coins: Any) -> Any:
        return assemble(strategy, batch, SCALES, coins)

    return plan, Parts(velocity.model, reader, tracks, lambda _: contexts, velocity, _saver(velocity.model))  # type: ignore[arg-type]


def _saver(model: Any) -> Callable[[Path, int], None]:
    from ltx_core.models.lora.adapters import save_lora

    return lambda folder, step: save_lora(folder / "lora.safetensors", model, {}, torch.bfloat16)


def _measured(case: Case, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Medians over the steps that count."""
    seconds = median(row["seconds"] for row in rows)
    utilised = [row["mfu"] for row in rows if row["mfu"] is not None]
    parts = {
        name: median(row[f"{name}_seconds"] for row in rows) for name in ("forward", "backward", "optimizer")
    }
    saves = [row["hooks_seconds"] for row in rows if case.save and (row["step"] - 1) % case.save == 0]
    return {
        "seconds": seconds,
        "tokens_per_second": case.tokens / seconds,
        "mfu": median(utilised) if utilised else None,
        "data_wait": sum(row["data_wait"] for row in rows) / sum(row["seconds"] for row in rows),
        "save_seconds": median(saves) if saves else None,
        **{f"{name}_share": value / seconds for name, value in parts.items()},
    }


def main() -> int:
    """Run the case of the command line."""
    stated = json.loads(sys.argv[1])
    case = Case(**stated | ({"grid": tuple(stated["grid"])} if "grid" in stated else {}))
    with tempfile.TemporaryDirectory() as folder:
        found = run(case, Path(folder))
    print(json.dumps({**asdict(case), **found, "device": _device()}))
    return 0


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{len(os.sched_getaffinity(0))} CPU cores, one thread"


if __name__ == "__main__":
    sys.exit(main())
