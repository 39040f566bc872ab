"""function: a user's own, by import path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltx_core.curation.functions import call, check_path, described
from ltx_core.curation.kinds import Kind, Work
from ltx_core.errors import LtxError

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class FunctionOptions:
    """`package.module:function`."""

    function: str = ""


def frames_of_function(path: str, frames: Frames) -> Frames:
    """What a function makes of `frames`, uint8 `[F, H, W, 3]`.

    Raises:
        LtxError: when it cannot be imported, fails, or returns anything but frames of the same shape.
    """
    found = call(path, frames)
    if isinstance(found, np.ndarray) and found.dtype == np.uint8 and found.shape == frames.shape:
        return np.ascontiguousarray(found)
    raise LtxError(
        f"{path} returned {described(found)}; a reference is made of frames {list(frames.shape)} of uint8 "
        "[F, H, W, 3], and must be an array of the same shape and type"
    )


def _make(frames: Frames, options: FunctionOptions, work: Work) -> Frames:
    return frames_of_function(options.function, frames)


def _check(options: FunctionOptions) -> None:
    check_path("function", options.function)


FUNCTION = Kind(
    "function",
    "your own: frames `[F, H, W, 3]` of uint8 in, the same shape out",
    FunctionOptions,
    _make,
    check=_check,
    function="function",
)
