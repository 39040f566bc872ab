"""What a video autoencoder in pieces saves and costs: peak memory of the process and time, beside the whole.

Each peak is of a child process of its own, above what it held with the model and the clip in it, and stands
beside the estimate by the config (`models/tiling/memory.py`).
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import Result, in_turns, per_second
from benchmarks.one_modality import amount
from ltx_core.models.tiling.cut import Cut
from ltx_core.models.tiling.memory import Axis, decode_peak_bytes, encode_peak_bytes
from ltx_core.models.tiling.stream import decode_in_pieces, encode_in_pieces

LAYERS = {"layers_per_block": (4, 6, 6, 2, 2), "decoder_layers_per_block": (5, 5, 5, 5)}
"""As deep as LTX-2.0's, an eighth as wide."""
WIDTHS = {
    "latent_channels": 32,
    "block_out_channels": (32, 64, 128, 256),
    "decoder_block_out_channels": (32, 64, 128),
}
FACTORS = {"spatial_compression_ratio": 32, "temporal_compression_ratio": 8}
CLIP = (65, 192, 128)
"""Frames, height, width."""
SIDES = ("encode", "decode")
AXES: tuple[Axis, ...] = ("time", "rows")
WITHIN = 1.5
"""By how much an estimate may be off."""
SMALL_BLOCKS = {"MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
"""Freed tensors leave the process at once, so that its peak is of what lives."""


def tiled_vae(rounds: int) -> list[Result]:
    """Lines for encoding and decoding, at once and in pieces along either axis.

    An estimate has an aim at once only: in pieces what a process holds beside tensors weighs as much as they.
    """
    vae = _autoencoder()
    config = {**vae.config, "_class_name": type(vae).__name__}
    found = []
    for side in SIDES:
        given, whole = _given(vae, side), _peak(side, None)
        found.append(_estimated(f"{side}, at once", whole, _estimate(config, side, None)))
        for axis in AXES:
            pieces = _peak(side, axis)
            name = f"{side} {CLIP[0]} frames of {CLIP[2]}x{CLIP[1]} in pieces along {axis}"
            found.append(Result(f"memory, {name}", "at once", pieces / whole, amount(pieces), amount(whole)))
            found.append(_timed(name, vae, side, axis, given, rounds))
            found.append(_estimated(name, pieces, _estimate(config, side, axis)))
    return found


def _timed(name: str, vae: Any, side: str, axis: Axis, given: Tensor, rounds: int) -> Result:
    whole, pieces = _run(vae, side, None, given), _run(vae, side, axis, given)
    error = ((whole - pieces).abs().max() / whole.abs().max()).item()
    pair = in_turns(lambda: _run(vae, side, axis, given), lambda: _run(vae, side, None, given), rounds)
    speeds = per_second(CLIP[0], pair.ours, "frames"), per_second(CLIP[0], pair.bare, "frames")
    return Result(name, "at once", pair.ratio, *speeds, "equal to 1e-5", error < 1e-5)


def _estimated(name: str, measured: int, estimate: int) -> Result:
    ratio = estimate / measured
    if "pieces" in name:
        return Result(f"memory as estimated, {name}", "measured", ratio, amount(estimate), amount(measured))
    aim = f"within {WITHIN:g} times"
    met = 1 / WITHIN <= ratio <= WITHIN
    return Result(
        f"memory as estimated, {name}", "measured", ratio, amount(estimate), amount(measured), aim, met
    )


def _estimate(config: dict[str, Any], side: str, axis: Axis | None) -> int:
    """The estimate, and in pieces the result on the host, which is this process too."""
    peak = encode_peak_bytes if side == "encode" else decode_peak_bytes
    if axis is None:
        return peak(config, *CLIP, "no")
    frames, height, width = CLIP
    shown = 3 * frames * height * width * 4 if side == "decode" else 0
    return peak(config, *CLIP, "no", 1, axis) + 2 * shown  # the pieces and the video that they become


def _autoencoder() -> Any:
    from diffusers import AutoencoderKLLTX2Video

    torch.manual_seed(0)
    vae = AutoencoderKLLTX2Video(**LAYERS, **WIDTHS, **FACTORS, decoder_causal=False)
    return vae.eval().requires_grad_(False)


def _given(vae: Any, side: str) -> Tensor:
    torch.manual_seed(1)
    frames, height, width = CLIP
    if side == "encode":
        return torch.rand(1, 3, *CLIP) * 2 - 1
    return torch.randn(1, vae.config.latent_channels, (frames - 1) // 8 + 1, height // 32, width // 32)


@torch.no_grad()
def _run(vae: Any, side: str, axis: Axis | None, given: Tensor) -> Tensor:
    if axis is not None:
        run = encode_in_pieces if side == "encode" else decode_in_pieces
        return run(vae, given, Cut(axis, 1))
    whole: Tensor = vae.encode(given).latent_dist.mode() if side == "encode" else vae.decode(given).sample
    return whole


def _peak(side: str, axis: Axis | None) -> int:
    """Bytes of a child process above those that it held before the pass."""
    command = [sys.executable, "-m", "benchmarks.tiled_vae", side, axis or ""]
    environment = {**os.environ, **SMALL_BLOCKS}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


def _child(side: str, axis: Axis | None) -> int:
    torch.set_num_threads(1)
    vae = _autoencoder()
    given = _given(vae, side)
    _run(vae, side, axis, given)  # makes once what is kept: the libraries' kernels for every shape
    ctypes.CDLL(None).malloc_trim(0)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    _run(vae, side, axis, given)
    return _status("VmHWM") - before


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    wanted: Axis | None = {"time": "time", "rows": "rows"}.get(sys.argv[2])  # type: ignore[assignment]
    print(json.dumps(_child(sys.argv[1], wanted)))
