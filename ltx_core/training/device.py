"""Device, precision and processes of a training, by accelerate."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

from ltx_core.errors import LtxError
from ltx_core.training.options import NO_GPU, AccelerationOptions
from ltx_core.training.processes import launched, place

SHARDS = "shards"
"""The accelerator's attribute that says whether each process holds a part of the weights."""
PATIENCE = timedelta(hours=1)
"""How long a process waits for another before it gives up. One that dies is noticed at once by whoever
started them; this is for one that hangs, and is longer than any save of the first process alone."""


def make_accelerator(options: AccelerationOptions) -> Accelerator:
    """The accelerator of this process; models are loaded onto its `.device`.

    Accumulation stays 1 here: the loop counts optimizer steps itself.

    Raises:
        LtxError: when the device is not there or cannot run the precision, or when this process has set up
            another one before.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    cpu = options.device == "cpu" or not torch.cuda.is_available()
    if options.device == "cuda" and cpu:
        raise LtxError(NO_GPU)
    precision = options.precision
    if precision == "fp16" and cpu:
        raise LtxError("`mixed_precision_mode: fp16` needs a GPU; use `no` or `bf16`")
    here = place()
    if cpu and launched():
        os.environ["ACCELERATE_USE_CPU"] = "true"  # else it counts GPUs that the options leave alone
    seen = torch.cuda.device_count()
    if not cpu and here.local >= seen:
        raise LtxError(
            f"process {here.rank} of {here.world} needs GPU {here.local}, but {seen} can be seen here; lower "
            "`acceleration.processes`"
        )
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true" and options.distribution != "fsdp":
        raise LtxError(
            "the processes were started for FSDP, but `acceleration.distribution` is "
            f"{options.distribution!r}; state `acceleration.distribution=fsdp`, or start them for DDP"
        )
    try:
        handlers = [InitProcessGroupKwargs(timeout=PATIENCE)]
        accelerator = Accelerator(mixed_precision=precision, cpu=cpu, kwargs_handlers=handlers)
    except ValueError as error:
        raise LtxError(
            f"this process has set up another precision or device before ({error}); train in a new process"
        ) from error
    setattr(accelerator, SHARDS, options.distribution == "fsdp" and accelerator.num_processes > 1)
    return accelerator


def leave() -> None:
    """End the connection to the other processes, where there is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
