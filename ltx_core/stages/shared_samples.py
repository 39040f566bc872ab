"""Samples beside the steps of a training: each process makes a part of them, the first writes them all.

What is generated together is so for any number of processes, so the files are equal to the byte. Under FSDP
all processes must be in the same forward pass: there each makes all samples, and the first writes its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from accelerate import Accelerator

from ltx_core.media.sheet import Strip
from ltx_core.models.velocity import Velocity
from ltx_core.stages.batches import Contexts
from ltx_core.stages.context import Context
from ltx_core.stages.generate import Request, generate, together
from ltx_core.stages.samples import SHEET, strip_of, write_sample, write_samples, write_sheet
from ltx_core.store.disk import write_atomic
from ltx_core.training.spread import sharded, spread
from ltx_core.training.update import any_process

Files = dict[str, bytes]
"""Content by name."""


def wanted(accelerator: Accelerator | None, folder: Path) -> bool:
    """Whether the samples of `folder` are not there yet, as the first process sees it."""
    if accelerator is None:
        return not (folder / SHEET).exists()
    return any_process(accelerator, accelerator.is_main_process and not (folder / SHEET).exists())


def make_samples(
    folder: Path,
    context: Context,
    velocity: Velocity,
    contexts: Contexts,
    requests: Sequence[Request],
    accelerator: Accelerator | None = None,
) -> None:
    """Generate the samples and write them with their contact sheet into `folder`.

    Raises:
        StoreError: when the disk is full, read-only or not permitted.
    """
    if accelerator is None or accelerator.num_processes == 1 or sharded(accelerator):
        found = generate(context, velocity, contexts, requests)
        if accelerator is None or accelerator.is_main_process:
            write_samples(folder, found)
        return

    def part(members: Sequence[int]) -> tuple[Files, dict[int, Strip]]:
        made = generate(context, velocity, contexts, [requests[place] for place in members])
        with tempfile.TemporaryDirectory() as local:
            for one in made:
                write_sample(Path(local), one)
            files = {path.name: path.read_bytes() for path in sorted(Path(local).iterdir())}
        strips = [strip_of(one, one.request.prompt) for one in made]
        return files, dict(zip(members, strips, strict=True))

    parts = spread(accelerator, together(requests), part)
    if not accelerator.is_main_process:
        return
    for files, _ in parts:
        for name, content in files.items():
            write_atomic(folder / name, content)
    strips = {place: strip for _, found in parts for place, strip in found.items()}
    write_sheet(folder, [strips[place] for place in sorted(strips)])
