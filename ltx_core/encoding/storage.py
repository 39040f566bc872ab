"""The number format in which results are stored."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

StorageType = Literal["bfloat16", "float32"]
"""bfloat16 halves the store; its rounding lies below the VAE's own error."""


def stored(tensor: Tensor, dtype: StorageType) -> Tensor:
    """`tensor` on the CPU, contiguous, in the storage format."""
    return tensor.detach().to("cpu", getattr(torch, dtype)).contiguous()
