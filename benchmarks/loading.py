"""What loading a transformer takes of the host's memory: each way in a process of its own, by its true peak.

Counted is anonymous memory (the kernel's `RssAnon`), looked at every two milliseconds: pages of a mapped file
can be dropped at any time and belong to the page cache.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Result
from benchmarks.one_modality import SMALL, amount

MOST = 1.15
"""Peak over the weights' bytes that counts as once: the largest tensor and Python's objects come on top."""
WAYS = (
    ("a diffusers folder", "folder"),
    ("one original file", "file"),
    ("a folder, quantised to int8", "int8"),
)


def loading(folder: Path) -> list[Result]:
    """A line per layout: peak of the loader over the bytes of the weights that it gives."""
    transformer = _transformer(folder / "loading")
    size = sum(path.stat().st_size for path in (transformer / "transformer").glob("*.safetensors"))
    found = []
    for name, way in WAYS:
        place = folder / "loading.safetensors" if way == "file" else transformer
        if way == "file":
            _as_file(transformer, place)
        peak, kept = _child(way, place)
        found.append(
            Result(
                f"host memory at its peak, loading {name}",
                "the weights it gives",
                peak / kept,
                amount(peak),
                amount(kept),
                f"at most {MOST}, no second copy" if way != "int8" else "below the file's size",
                peak <= MOST * kept if way != "int8" else peak < size,
            )
        )
    return found


def peak_of(work: Callable[[], object]) -> tuple[int, object]:
    """Bytes of anonymous memory that `work` adds at its worst moment, and what it gives."""
    done, before, worst = threading.Event(), _anonymous(), 0

    def look() -> None:
        nonlocal worst
        while not done.is_set():
            worst = max(worst, _anonymous())
            time.sleep(0.002)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        given = work()
    finally:
        done.set()
        watcher.join()
    return max(worst, _anonymous()) - before, given


def _anonymous() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024


def _transformer(folder: Path) -> Path:
    import torch
    from diffusers import LTX2VideoTransformer3DModel

    torch.manual_seed(0)
    model = LTX2VideoTransformer3DModel(**{**SMALL, "num_layers": 24}).to(torch.bfloat16)
    model.save_pretrained(folder / "transformer")
    return folder


def _as_file(folder: Path, path: Path) -> None:
    from ltx_core.models.info import ModelInfo
    from ltx_core.models.original.write import write_original

    write_original(path, ModelInfo.read(folder).parts)


def _child(way: str, place: Path) -> tuple[int, int]:
    command = [sys.executable, "-m", "benchmarks.loading", way, str(place)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    peak, kept = json.loads(found.stdout.splitlines()[-1])
    return int(peak), int(kept)


def _main(way: str, place: Path) -> None:
    """In the child: load once, say peak and bytes kept."""
    import torch
    from diffusers import LTX2VideoTransformer3DModel

    from ltx_core.models.info import ModelInfo
    from ltx_core.models.ltx2 import load_transformer
    from ltx_core.models.quantise.layers import Quantiser
    from ltx_core.models.quantise.methods import SKIP_TRANSFORMER

    LTX2VideoTransformer3DModel(num_layers=1, attention_head_dim=24, num_attention_heads=2)  # imports, once
    info = ModelInfo.read(place)
    quantiser = Quantiser.of("int8" if way == "int8" else None, SKIP_TRANSFORMER)

    def work() -> torch.nn.Module:
        loaded: torch.nn.Module = load_transformer(info, dtype=torch.bfloat16, quantiser=quantiser)
        return loaded

    peak, model = peak_of(work)
    assert isinstance(model, torch.nn.Module)
    kept = sum(value.nbytes for value in (*model.parameters(), *model.buffers()))
    sys.stdout.write(json.dumps([peak, kept]) + "\n")


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
