"""function: a user's own, by import path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.functions import call, check_path, described
from ltx_core.curation.kinds import Kind, Work
from ltx_core.curation.masking.target import Mask, Target
from ltx_core.errors import LtxError


@dataclass(frozen=True)
class MaskFunctionOptions:
    """`package.module:function`."""

    function: str = ""


def mask_of_function(path: str, frames: NDArray[np.uint8]) -> Mask:
    """The mask `[F, H, W]` that a function makes of `frames` `[F, H, W, 3]`.

    Raises:
        LtxError: when it cannot be imported, fails, or returns anything but values in [0, 1] or booleans.
    """
    found = call(path, frames)
    if isinstance(found, np.ndarray) and found.shape == frames.shape[:3] and found.dtype.kind in "bf":
        values = found.astype(np.float32)
        if bool(np.isfinite(values).all()) and values.min() >= 0 and values.max() <= 1:
            return values
    raise LtxError(
        f"{path} returned {described(found)}; a mask of frames {list(frames.shape)} is an array "
        f"{list(frames.shape[:3])} of booleans, or of floats in [0, 1]: 1 keeps, 0 is generated"
    )


def _make(target: Target, options: MaskFunctionOptions, work: Work) -> Mask:
    return mask_of_function(options.function, target.pixels())


def _check(options: MaskFunctionOptions) -> None:
    check_path("function", options.function)


FUNCTION = Kind(
    "function",
    "your own: frames `[F, H, W, 3]` of uint8 in, a mask `[F, H, W]` in [0, 1] out",
    MaskFunctionOptions,
    _make,
    check=_check,
    function="function",
)
