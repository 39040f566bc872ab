"""Which of torch's kernels computes attention while the transformer's blocks run.

Design choices
- The choice stands around the function of one block, not around the process: blocks that are computed again
  in the backward pass choose alike, and autoencoders and text encoders keep torch's own choice.
- What can be known before a step is refused before it: a kernel that the device or the type of numbers does
  not have. What cannot is left to the next kernel in a stated order: flash takes no mask, and LTX-Video's
  padded text has one. LTX-2 fills its texts with registers: no token is masked, so no mask is passed, and
  flash runs everywhere.
- `auto` and `sdpa` leave it to torch. Results differ by rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ltx_core.models.attention_names import ON_CPU, Attention
from ltx_core.models.errors import ModelError

ATTRIBUTE = "attention_kernels"
"""The model's attribute that names the kernels of its blocks."""
FLASH_CAPABILITY = (8, 0)
"""The first GPUs (Ampere) that flash and cuDNN attention run on."""
KERNELS: dict[Attention, tuple[SDPBackend, ...]] = {
    "flash": (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH),
    "cudnn": (SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH),
    "efficient": (SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH),
    "math": (SDPBackend.MATH,),
}
"""Kernels by the option that asks for them; the first that can take a call computes it."""
F = TypeVar("F", bound=Callable[..., Any])


def choose_attention(model: Any, wanted: Attention, device: torch.device, dtype: torch.dtype) -> None:
    """Have the model's blocks attend by a kernel from now on.

    Args:
        model: a transformer.
        wanted: the option; "auto" and "sdpa" leave it to torch.
        device: where its blocks compute, wherever their weights wait.
        dtype: of the numbers that the blocks compute with.

    Raises:
        ModelError: when the device or the type cannot have it.
    """
    reason = impossible(wanted, device, dtype)
    if reason is not None:
        raise ModelError(f"`acceleration.attention: {wanted}` cannot run here: {reason}; use `auto`")
    setattr(model, ATTRIBUTE, wanted if wanted in KERNELS else None)


def impossible(wanted: Attention, device: torch.device, dtype: torch.dtype) -> str | None:
    """Why a device cannot compute attention so, or None."""
    if device.type != "cuda":
        if wanted in ON_CPU:
            return None
        return f"it needs a GPU, and the transformer runs on {device.type!r}"
    if wanted not in ("flash", "cudnn"):
        return None
    if dtype not in (torch.bfloat16, torch.float16):
        return f"it takes bfloat16 or float16, and the blocks compute in {str(dtype).removeprefix('torch.')}"
    found = torch.cuda.get_device_capability(device)
    if found < FLASH_CAPABILITY:
        name = torch.cuda.get_device_name(device)
        return f"it needs compute capability 8.0, and {name} has {found[0]}.{found[1]}"
    if wanted == "cudnn" and not torch.backends.cudnn.is_available():  # type: ignore[no-untyped-call]
        return "torch was built without cuDNN"
    return None


def attending(model: Any, step: F) -> F:
    """`step` with the kernels that the model's blocks attend by."""
    wanted: Attention | None = getattr(model, ATTRIBUTE, None)
    return step if wanted is None else _within(step, wanted)


@cache
def _within(step: F, wanted: Attention) -> F:
    def run(*arguments: Any) -> Any:
        with sdpa_kernel(list(KERNELS[wanted]), set_priority=True):
            return step(*arguments)

    return run  # type: ignore[return-value]
