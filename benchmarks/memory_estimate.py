"""How far estimated peaks of a training step are off: `python -m benchmarks.memory_estimate [--quick]`.

Each case is a process of its own, forked when the libraries are loaded, that makes a model, takes two steps
and gives the peak of the second: of the GPU's allocator where there is one, else of the process's own memory
above what it held before the model.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.measure import Result

HELD = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
"""What lets a process give freed memory back at once, so that its size is that of what lives."""
TEXT = 128


@dataclass(frozen=True)
class Setting:
    """One line of the table.

    Attributes:
        family: `2.0`, `2.3` or `ltxv`.
        video, audio: tokens; 0 where a stream is absent.
        every: which blocks recompute.
        method: quantisation.
        swap: blocks on the host.
        full: every weight learns.
        precision: `no` or `bf16`.
    """

    family: str = "2.3"
    video: int = 510
    audio: int = 0
    every: int = 0
    method: str | None = None
    swap: int = 0
    full: bool = False
    precision: str = "no"

    @property
    def name(self) -> str:
        """For the table."""
        tokens = " + ".join(
            f"{count} {kind}" for count, kind in ((self.video, "video"), (self.audio, "audio")) if count
        )
        parts = [f"LTX-{'Video' if self.family == 'ltxv' else self.family}", f"{tokens} tokens"]
        recomputed = {0: "nothing", 1: "all"}.get(self.every, f"1 block of {self.every}")
        parts.append(f"{recomputed} recomputed")
        parts += [self.method] if self.method else []
        parts += [f"{self.swap} blocks swapped"] if self.swap else []
        parts += ["full training"] if self.full else []
        return ", ".join([*parts, "bf16" if self.precision == "bf16" else "float32"])


GRID = (
    Setting(),
    Setting(every=1),
    Setting(every=2),
    Setting(video=1530, every=1),
    Setting(video=510, audio=93),
    Setting(video=510, audio=93, every=1),
    Setting(video=0, audio=600),
    Setting(family="2.0", every=1, precision="bf16"),
    Setting(every=1, method="int8"),
    Setting(every=1, method="nf4"),
    Setting(every=1, swap=3),
    Setting(family="ltxv"),
    Setting(family="ltxv", every=1),
    Setting(full=True, every=1),
)
QUICK = (Setting(video=240), Setting(video=240, every=1))


def memory_estimate(quick: bool = False) -> list[Result]:
    """A line for every setting: the estimate over the measured peak."""
    logging.disable(logging.WARNING)
    import diffusers  # noqa: F401  # loaded once, before the forks
    import peft  # noqa: F401

    found = []
    for setting in QUICK if quick else GRID:
        with get_context("fork").Pool(1) as pool:
            estimated, measured = pool.apply(measure, (setting,))
        speeds = f"{estimated / 2**20:.0f} MiB", f"{measured / 2**20:.0f} MiB"
        found.append(Result(setting.name, "the measured peak", estimated / measured, *speeds))
        sys.stderr.write(f"{setting.name}: {found[-1].ratio:.3f}\n")
    return found


def measure(setting: Setting) -> tuple[int, int]:
    """Estimated and measured bytes of a step's peak."""
    import torch

    from ltx_core.models.swap import swap_blocks
    from ltx_core.training.optim import adamw, trainable
    from ltx_core.training.options import OptimizationOptions

    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    _step(_model(Setting(setting.family, 16, 16 if setting.family != "ltxv" else 0, 1), device), setting, 16)
    before = _held(device)
    model = _model(setting, device)
    expected = estimate(setting, model, gpu=device == "cuda")
    if setting.swap:
        swap_blocks(model, setting.swap, device)
    optimizer = adamw(trainable(model).values(), OptimizationOptions())
    for number in range(2):
        if number:
            _forget_peak(device)
        _step(model, setting)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return expected, _peak(device) - before


def estimate(setting: Setting, model: Any, *, gpu: bool) -> int:
    """Bytes of the peak, by the formulas of a plan."""
    from ltx_core.models.memory.block import Arithmetic, Load
    from ltx_core.models.memory.shape import transformer_shape
    from ltx_core.models.memory.training import (
        Learning,
        activations,
        block_adapters,
        recomputed_blocks,
        training_peak,
    )
    from ltx_core.models.memory.weights import transformer_bytes
    from ltx_core.models.names import runs_with
    from ltx_core.models.swap_plan import swapped_blocks

    modalities = [name for name, count in (("video", setting.video), ("audio", setting.audio)) if count]
    shape = transformer_shape(model.config, modalities)
    adapters = {n.partition(".lora_A")[0]: 16 for n, _ in model.named_parameters() if ".lora_A" in n}
    numbers = Arithmetic.of(
        setting.precision, gpu=gpu, trained=setting.full, adapters=block_adapters(adapters)
    )
    load = Load(setting.video, setting.audio, TEXT, setting.video, setting.audio)
    recomputed = recomputed_blocks(shape.blocks, setting.every, swapped_blocks(shape.blocks, setting.swap))
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    # The model that is there is quantised already: its shapes are those of an exact one.
    whole = _plain(setting).named_parameters()
    exact = {name: tuple(p.shape) for name, p in whole if runs_with(name, modalities)}
    width = 2 if setting.precision == "bf16" and not setting.full else 4
    weights = transformer_bytes({} if setting.full else exact, width, setting.method)  # type: ignore[arg-type]
    frozen = weights.resident(setting.swap) + (0 if gpu else weights.host(setting.swap))
    learning = Learning(count, half=setting.precision == "bf16", gpu=gpu)
    return training_peak(frozen, learning, activations(shape, load, numbers, recomputed))


def _plain(setting: Setting) -> Any:
    """A transformer in the family's proportions, an eighth as wide and four blocks deep, without memory."""
    import diffusers
    from accelerate import init_empty_weights

    from benchmarks.one_modality import LTX23

    sizes: dict[str, Any] = {"num_attention_heads": 4, "cross_attention_dim": 512, "num_layers": 4}
    kind = diffusers.LTXVideoTransformer3DModel
    if setting.family == "ltxv":
        sizes |= {"attention_head_dim": 128, "caption_channels": 256}
    else:
        kind = diffusers.LTX2VideoTransformer3DModel
        sizes = {**LTX23, **sizes, "audio_num_attention_heads": 4, "audio_cross_attention_dim": 256}
        if setting.family == "2.0":
            gates = dict.fromkeys([name for name in LTX23 if "gated" in name or "_mod" in name], False)
            sizes |= {**gates, "use_prompt_embeddings": True, "caption_channels": 256}
    with init_empty_weights():
        return kind(**sizes)


def _model(setting: Setting, device: str) -> Any:
    """The same with memory, for a training."""
    import torch

    from ltx_core.models.lora.adapters import add_lora
    from ltx_core.models.names import runs_with
    from ltx_core.models.options import LoraOptions
    from ltx_core.models.partial import leave_out
    from ltx_core.models.quantise.layers import quantise
    from ltx_core.models.quantise.methods import SKIP_TRANSFORMER

    modalities = [name for name, count in (("video", setting.video), ("audio", setting.audio)) if count]
    model = _plain(setting)
    leave_out(model, lambda name: runs_with(name, modalities))
    model.to_empty(device=device)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    model.requires_grad_(setting.full)
    if setting.full:
        return model
    model.to(torch.bfloat16 if setting.precision == "bf16" else torch.float32)
    if setting.method is not None:
        quantise(model, setting.method, SKIP_TRANSFORMER)  # type: ignore[arg-type]
    add_lora(model, LoraOptions(rank=16), 0, modalities)
    return model


def _step(model: Any, setting: Setting, most: int | None = None) -> None:
    """Forward and backward on random tokens with levels of their own."""
    import torch

    from ltx_core.models.forward import transformer_forward
    from ltx_core.models.ltxv.forward import ltxv_forward
    from ltx_core.models.stream import Stream

    device, config = next(model.parameters()).device, model.config

    def stream(count: int, prefix: str, axes: int) -> Stream | None:
        if not count:
            return None
        count = count if most is None else min(most, count)
        width = config[f"{prefix}num_attention_heads"] * config[f"{prefix}attention_head_dim"]
        text = config["caption_channels"] if config.get("use_prompt_embeddings", True) else width
        return Stream(
            tokens=torch.randn(1, count, 128, device=device),
            timesteps=torch.rand(1, count, device=device),
            sigma=torch.full((1,), 0.5, device=device),
            positions=torch.rand(1, axes, count, 2, device=device),
            context=torch.randn(1, TEXT, text, device=device),
        )

    run = ltxv_forward if setting.family == "ltxv" else transformer_forward
    streams = stream(setting.video, "", 3), stream(setting.audio, "audio_", 1)
    with torch.autocast(device.type, torch.bfloat16, enabled=setting.precision == "bf16"):
        outputs = run(model, *streams, checkpointing=setting.every)
    torch.autograd.backward([out.float().square().mean() for out in outputs if out is not None])


def _held(device: str) -> int:
    import torch

    return torch.cuda.memory_allocated() if device == "cuda" else _status("RssAnon")


def _forget_peak(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak(device: str) -> int:
    """Of the GPU, or of the process without the pages of files."""
    import torch

    return torch.cuda.max_memory_allocated() if device == "cuda" else _status("VmHWM") - _status("RssFile")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def main(arguments: Sequence[str] | None = None) -> int:
    """All cases as a Markdown table."""
    parser = argparse.ArgumentParser(description="estimated and measured peaks of a training step")
    parser.add_argument("--quick", action="store_true", help="two small cases")
    options = parser.parse_args(arguments)
    if not HELD.items() <= os.environ.items():  # read when a process starts
        os.execve(sys.executable, [*sys.orig_argv], {**os.environ, **HELD})
    print("| training step | estimate | measured | estimate / measured |\n|---|---|---|---|")
    ratios = []
    for line in memory_estimate(options.quick):
        ratios.append(line.ratio or 0.0)
        print(f"| {line.name} | {line.speed} | {line.bare_speed} | {line.ratio:.2f} |")
    print(f"\nMean {fmean(ratios):.3f}, from {min(ratios):.2f} to {max(ratios):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
