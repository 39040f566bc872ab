"""The device that a plan is made for. torch is asked only where the machine has an NVIDIA driver."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ltx_core.config.root import Config
from ltx_core.errors import ConfigError

DRIVER = Path("/proc/driver/nvidia/version")
CONTEXT = 640 << 20
"""Bytes of a GPU for the driver, torch's kernels and workspaces of matrix products: a reserve."""
FRAGMENTS = 0.05
"""Share of a GPU that an allocator cannot use."""
UNITS = {"": 1.0, "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12} | {
    f"{name}ib": 2.0**power for name, power in (("k", 10), ("m", 20), ("g", 30), ("t", 40))
}


@dataclass(frozen=True)
class Device:
    """Where models run.

    Attributes:
        name: for people, and for what was measured on it.
        gpu: whether it is one; else the process's own memory is meant.
        total: bytes of its memory.
        free: bytes that are free now; of a stated device all.
    """

    name: str
    gpu: bool
    total: int
    free: int

    @property
    def usable(self) -> int:
        """Bytes for weights and activations."""
        return round((self.free - CONTEXT) * (1 - FRAGMENTS)) if self.gpu else self.free


def find_device(config: Config, gpu_memory: int | None = None) -> Device:
    """The device of a config, or a GPU with so many bytes that the plan is made for."""
    if gpu_memory is not None:
        return Device(f"a GPU of {gpu_memory / 2**30:g} GiB", True, gpu_memory, gpu_memory)
    if config.acceleration.device != "cpu" and DRIVER.exists():
        import torch

        if torch.cuda.is_available():
            free, total = torch.cuda.mem_get_info()
            return Device(torch.cuda.get_device_name(), True, total, free)
    threads = config.acceleration.threads or len(os.sched_getaffinity(0))
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    return Device(f"CPU, {threads} threads", False, total, max(free, _available()))


def memory_of(text: str) -> int:
    """Bytes of `24GiB`, `24 GB` or a plain number.

    Raises:
        ConfigError: for anything else.
    """
    number = text.strip().lower().rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text.strip().lower()[len(number) :].strip()
    try:
        size = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        raise ConfigError(f"{text!r} is no size of memory; write it as 24GiB or 80GB") from None
    if size <= 0:
        raise ConfigError(f"{text!r} is no size of memory; it must be above 0")
    return round(size)


def _available() -> int:
    """Bytes that Linux says can be had without swapping; 0 elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    found = (line.split() for line in lines if line.startswith("MemAvailable:"))
    return next((int(words[1]) * 1024 for words in found), 0)
