"""The demo's transformer trained by this process's share of the work. A program too: `shares.py FOLDER`."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from tiny import IDS, INFO, SCALES, batch, contexts

from ltx_core.assemble import assemble
from ltx_core.models.full import save_full, train_all
from ltx_core.models.lora.adapters import add_lora, save_lora
from ltx_core.models.ltx2 import load_transformer
from ltx_core.models.options import LoraOptions
from ltx_core.models.quantise.layers import Quantiser
from ltx_core.models.sharding import local, shard_blocks
from ltx_core.models.velocity import Velocity
from ltx_core.modes import Strategy
from ltx_core.training.device import make_accelerator
from ltx_core.training.loop import train
from ltx_core.training.options import AccelerationOptions, CheckpointOptions, OptimizationOptions
from ltx_core.training.plan import Parts, Plan
from ltx_core.training.processes import place
from ltx_core.training.step import StepOptions

STRATEGY = Strategy(video={}, audio={})
STREAMS = ("video", "audio")
CASES = {
    "lora-ddp": ("ddp", "bf16", None),
    "lora-fsdp": ("fsdp", "bf16", None),
    "nf4-fsdp": ("fsdp", "bf16", "nf4"),
    "dora-fsdp": ("fsdp", "bf16", None),
    "lokr-ddp": ("ddp", "bf16", None),
    "full-ddp": ("ddp", "no", None),
    "full-fsdp": ("fsdp", "no", None),
    "resumed-fsdp": ("fsdp", "no", None),
}
"""Distribution, type of the base, how it is quantised. In a full training all weights learn."""
FULL = ("full-ddp", "full-fsdp", "resumed-fsdp")
STEPS, HALF = 3, 2


def read(ids):
    """The samples of these ids, whichever they are."""
    whole = batch(STRATEGY)
    rows = [IDS.index(name) for name in ids]
    return replace(
        whole, clip_ids=tuple(ids), video=whole.video[rows], audio=whole.audio[rows], fps=whole.fps[rows]
    )


def model_of(case):
    """The transformer on the host, with what learns, and whether that is adapters."""
    _, precision, method = CASES[case]
    if case in FULL:
        model = load_transformer(INFO, modalities=STREAMS)
        train_all(model, STREAMS)
        return model, False
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = load_transformer(INFO, dtype=dtype, modalities=STREAMS, quantiser=Quantiser.of(method, ()))
    kind = "lokr" if case.startswith("lokr") else "lora"
    add_lora(model, LoraOptions(rank=4, kind=kind, use_dora=case.startswith("dora")), 7, list(STREAMS))
    return model, True


def held(model):
    """Bytes of this process by type, of what learns and of what does not."""
    found = {}
    for parameter in model.parameters():
        key = f"{'learns' if parameter.requires_grad else 'frozen'} {str(parameter.dtype)[6:]}"
        found[key] = found.get(key, 0) + local(parameter.detach()).nbytes
    return found


def run(folder: Path, case: str, passes: int = 1):
    """Train a case to its end in `folder`; what this process holds."""
    distribution, precision, _ = CASES[case]
    options = AccelerationOptions(
        mixed_precision_mode=precision,
        device="cpu",
        threads=1,
        distribution=distribution,
        processes=place().world,
    )
    accelerator = make_accelerator(replace(options, mixed_precision_mode="no"))
    model, adapters = model_of(case)
    if distribution == "fsdp" and place().world > 1:
        shard_blocks(model, "cpu", adapters=adapters)
    bytes_held = held(model)

    def export(target, step):
        if adapters:
            save_lora(target / "lora.safetensors", model, {}, torch.float32)
        else:
            save_full(target / "transformer", model, [INFO.part("transformer")], {})

    plan = Plan(
        folder,
        dict.fromkeys(IDS, "one bucket"),
        OptimizationOptions(
            steps=STEPS,
            batch_size=1,
            learning_rate=1e-3,
            gradient_accumulation_steps=passes,
            max_grad_norm=0.5,
        ),
        CheckpointOptions(interval=HALF, keep_last_n=-1),
        StepOptions(level_mode="uniform"),
        identity=case.replace("resumed-", "full-"),
        ahead=0,
        tensorboard=False,
    )
    parts = Parts(
        model,
        read,
        lambda given, coins: assemble(STRATEGY, given, SCALES, coins),
        contexts,
        Velocity(model, checkpointing=2),
        export,
    )
    train(plan, parts, accelerator)
    return bytes_held


if __name__ == "__main__":
    root = Path(sys.argv[1])
    torch.set_num_threads(1)
    found = {case: run(root / case, case) for case in CASES}
    (root / f"held{place().rank}.json").write_text(json.dumps(found))
