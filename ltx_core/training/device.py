"""Device, precision and processes of a training, by accelerate."""

from __future__ import annotations

import torch
from accelerate import Accelerator

from ltx_core.errors import LtxError
from ltx_core.training.options import NO_GPU, AccelerationOptions


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
    try:
        return Accelerator(mixed_precision=precision, cpu=cpu)
    except ValueError as error:
        raise LtxError(
            f"this process has set up another precision or device before ({error}); train in a new process"
        ) from error
