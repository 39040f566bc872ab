"""One table of speeds: `python -m benchmarks.bench [--quick] [--write docs/benchmarks.md]`.

Two ways of doing the same are measured in turns within one process, and the median of their ratios is
stated, so that other work on the machine cancels. One thread, so that it does not depend on the cores.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import logging
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Result

COLUMNS = ("what", "compared with", "ratio", "aim", "ours", "the other")
HEAD = """# Benchmarks

Ratio: of times, ours over the bare library's, measured in turns in one process, the median over rounds; 1.0
is equal, below 1 is faster. Of bytes where a line states bytes. Absolute speeds belong to the machine named
here, and other work ran on it.

- Machine: {machine}
- Versions: {versions}
- Date: {date}
- Command: `{command}`

"""
TAIL = """
What a ratio includes beside the library's own work:

- Stages: exact frame choice by presentation time, checks of the input, digests, one Parquet row per result,
  and a durable commit (fsync of tensors, rows and folder). The demo's clips are tiny (64x64, 9 frames), so
  these fixed costs weigh more than with real footage. `clips` decodes by PyAV, tells damaged from whole files
  and looks for fades in the same pass; PySceneDetect decodes by OpenCV.
- `latents`, `references`: the bare way opens each film once and keeps it open; ours opens a reader per clip,
  which keeps decord's memory bounded.
- Store: writing makes a checksum of every tensor, reading checks it. All reads come from the page cache.
- Training step: reading the batch, drawing levels and noise, loss per noise-level quarter, clipping
  gradients, and the records in metrics.parquet and TensorBoard: about 3 ms, whatever the model. The demo's
  step takes 55 ms, a real model's seconds. Reading ahead in a thread is off for the demo's tiny samples.
- One modality alone: random weights in LTX-2.3's proportions (a sixteenth of its width, 6 blocks), 1020 video
  and 93 audio tokens, one sample, LoRA of rank 16, float32: forward, backward, optimizer. Layers of an absent
  modality, and the attentions between the two, are neither run nor read from the disk. The sizes of LTX-2.3
  itself are counted from its layers' shapes.
- Loading: a transformer of random weights in bfloat16, from a file that the page cache holds, in a process of
  its own. Anonymous memory is counted; the mapped pages of the file belong to the page cache.
- A quantised base: random weights in LTX-2.3's proportions (an eighth of its width, 4 blocks), 240 video
  tokens, one sample, LoRA of rank 16, gradient checkpointing; float32 on a CPU, bfloat16 on a GPU. A layer
  reads its weight back three times in a step, whatever the number of tokens: with a real sample's thousands
  of tokens that weighs less. Forward errors are those of random weights. Bytes count what stays exact too.
- Recomputed and swapped blocks: random weights in LTX-2.3's proportions (a sixteenth of its width, 12
  blocks), 240 video and 93 audio tokens, one sample, LoRA of rank 16, float32. Memory: the weights and
  moments that stay on the device and all that a step allocates, by torch's own records; without a GPU the
  host plays the device, and copies are made while nothing else runs, so that their time shows in full.
- An autoencoder in pieces: random weights, as deep as LTX-2.0's and an eighth as wide, float32, pieces of one
  latent frame or row. Memory: the peak of a child process above what it held before, and the estimate
  by the config over that.
- Duplicates: random hashes; seconds of the processor, not of the clock.
- Cached runs: whole processes, from the start of Python to its end, the fastest of several.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when an aim is missed."""
    parser = argparse.ArgumentParser(description="one table of speeds")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and rows: about a minute")
    parser.add_argument("--write", type=Path, help="write the table as Markdown to this file")
    parser.add_argument(
        "--only",
        choices=(
            "training",
            "modalities",
            "loading",
            "quantised",
            "swap",
            "pieces",
            "demo",
            "plan",
            "scan",
            "buckets",
            "preparation",
            "stages",
            "store",
        ),
        action="append",
    )
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), options.quick, options.only)
    show(results)
    if options.write:
        page = markdown(results, options.quick) + sections(options.write)
        options.write.write_text(page, encoding="utf-8")
    return int(any(result.met is False for result in results))


def measure(folder: Path, quick: bool, only: Sequence[str] | None = None) -> list[Result]:
    """All lines of the table; those of `only` when given."""
    import torch

    from benchmarks.block_swap import block_swap
    from benchmarks.buckets import buckets
    from benchmarks.duplicates import duplicate_speeds
    from benchmarks.loading import loading
    from benchmarks.one_modality import one_modality
    from benchmarks.preparation import decoding, flat_memory, two_workers
    from benchmarks.quantised import quantised
    from benchmarks.scan import known_files
    from benchmarks.stage_speeds import stage_speeds
    from benchmarks.store_speeds import store_speeds
    from benchmarks.tiled_vae import tiled_vae
    from benchmarks.training_speed import training_speed
    from benchmarks.whole import cached_demo, cached_plan

    torch.set_num_threads(1)
    parts = {
        "training": lambda: training_speed(folder / "stages", 40 if quick else 150),
        "modalities": lambda: one_modality(folder, 5 if quick else 15),
        "loading": lambda: loading(folder),
        "quantised": lambda: quantised(3 if quick else 7),
        "swap": lambda: block_swap(folder, 3 if quick else 7),
        "pieces": lambda: tiled_vae(1 if quick else 5),
        "demo": lambda: [cached_demo(folder, 3 if quick else 7)],
        "plan": lambda: [cached_plan(folder, 1000 if quick else 50_000, 3 if quick else 5)],
        "scan": lambda: [known_files(folder, 5000 if quick else 50_000, 3 if quick else 5)],
        "duplicates": lambda: duplicate_speeds(5, quick),
        "preparation": lambda: [
            decoding(folder / "preparation", 3 if quick else 9),
            two_workers(folder / "preparation", 1 if quick else 3),
            flat_memory(folder / "preparation"),
        ],
        "buckets": lambda: buckets(3 if quick else 5),
        "stages": lambda: stage_speeds(folder / "stages", 3 if quick else 9),
        "store": lambda: store_speeds(folder, 3 if quick else 7, quick),
    }
    found: list[Result] = []
    for name, part in parts.items():
        if not only or name in only:
            sys.stderr.write(f"measuring: {name}\n")
            found += part()
    return found


def sections(path: Path) -> str:
    """What other benchmarks wrote below the table of the page that is there."""
    _, mark, below = (path.read_text(encoding="utf-8") if path.exists() else "").partition("\n## ")
    return mark + below


def show(results: Sequence[Result]) -> None:
    """The table on the terminal."""
    table = Table(*COLUMNS)
    for result in results:
        table.add_row(*cells(result))
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)


def cells(result: Result) -> tuple[str, ...]:
    """A line's texts in the order of `COLUMNS`."""
    ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
    verdict = {None: "", True: " met", False: " MISSED"}[result.met]
    return (result.name, result.bare, ratio, result.aim + verdict, result.speed, result.bare_speed)


def markdown(results: Sequence[Result], quick: bool) -> str:
    """The table as a page."""
    import diffusers
    import torch

    cores = len(os.sched_getaffinity(0))
    head = HEAD.format(
        machine=f"{cores} CPU cores ({platform.machine()}), {_gpu()}, one thread for models",
        versions=", ".join(
            f"{name} {version}"
            for name, version in (
                ("Python", platform.python_version()),
                ("torch", torch.__version__),
                ("diffusers", diffusers.__version__),
            )
        ),
        date=datetime.now(UTC).date().isoformat(),
        command="python -m benchmarks.bench" + (" --quick" if quick else "") + " --write docs/benchmarks.md",
    )
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(cells(result)) + " |" for result in results]
    return head + "\n".join(lines) + "\n" + TAIL


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


if __name__ == "__main__":
    sys.exit(main())
