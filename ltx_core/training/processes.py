"""The processes that train together: how many, and which of them this one is. No torch at import.

Whoever starts them says who is who in the environment, as torchrun and `accelerate launch` do: RANK,
LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT. Our own start (`launcher.py`) does the same.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from ltx_core.errors import LtxError
from ltx_core.training.acceleration_options import AccelerationOptions

DRIVER = Path("/proc/driver/nvidia/version")
PARENT = "LTX_LAUNCHER"
"""The variable that names the process which started this one as one of several, and with which it ends."""
PR_SET_PDEATHSIG = 1
"""The option of prctl(2) that asks for a signal on the parent's end."""


@dataclass(frozen=True)
class Place:
    """Which of the processes this one is.

    Attributes:
        rank: from 0; 0 alone writes.
        world: how many there are.
        local: from 0, on this machine: the number of its GPU.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def main(self) -> bool:
        """Whether this one writes, reports and decides."""
        return self.rank == 0


def place() -> Place:
    """This process's place, as the environment says it; alone where it says nothing."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if not all(os.environ.get(name, "").isdigit() for name in names):
        return Place()
    return Place(*(int(os.environ[name]) for name in names))


def launched() -> bool:
    """Whether something has started this process as one of several, or of one."""
    return all(os.environ.get(name, "").isdigit() for name in ("RANK", "WORLD_SIZE"))


def visible_gpus(options: AccelerationOptions) -> int:
    """GPUs that a training may use. torch is asked only where the machine has an NVIDIA driver."""
    if options.device == "cpu" or not DRIVER.exists():
        return 0
    import torch

    return torch.cuda.device_count()


def process_count(options: AccelerationOptions) -> int:
    """How many processes train together."""
    return options.processes if options.processes != "auto" else max(1, visible_gpus(options))


def check_place(options: AccelerationOptions) -> Place:
    """This process's place, when it fits the options.

    Raises:
        LtxError: when other processes were started than the options state, of which the run's key is made.
    """
    found, wanted = place(), process_count(options)
    if found.world != wanted:
        raise LtxError(
            f"{found.world} processes were started, but `acceleration.processes` is {options.processes}"
            f"{f' ({wanted} here)' if options.processes == 'auto' else ''}; state "
            f"`acceleration.processes={found.world}` for this and every later command of the run, which is "
            "found by it"
        )
    return found


def end_with_launcher() -> None:
    """End when the process that started this one ends, also when that one is killed (Linux)."""
    parent = os.environ.get(PARENT, "")
    if not parent.isdigit():
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it ended before we asked
        os._exit(1)
